#!/bin/sh
# Removes the lab two-lans from this host, also when half of it is gone already.
#
#   a1 --.
#   a2 --+-- left (in switch1)
#   r  --'
#
#   b1 --.
#   b2 --+-- right (in switch2)
#   r  --'
#
#   namespace  interface  addresses      default route
#   a1         a1-veth0   10.0.1.1/24    10.0.1.254
#   a2         a2-veth0   10.0.1.2/24    10.0.1.254
#   b1         b1-veth0   10.0.2.1/24    10.0.2.254
#   b2         b2-veth0   10.0.2.2/24    10.0.2.254
#   r          r-veth0    10.0.1.254/24  -
#              r-veth1    10.0.2.254/24
#   switch1    left       -              -
#   switch2    right      -              -
#
# Compiled by nscompile 0.1.0 from:
#
#   lab two-lans                      # two switches, and a router between them
#
#   bridge left in switch1
#   bridge right in switch2
#
#   node a[1..2] ip 10.0.1.[1..2]/24 on left gateway 10.0.1.254
#   node b[1..2] ip 10.0.2.[1..2]/24 on right gateway 10.0.2.254
#
#   router r {
#       ip 10.0.1.254/24 on left
#       ip 10.0.2.254/24 on right
#   }

set -u

usage() {
    cat <<'end'
usage: sh down.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Removes the lab two-lans that sh up.sh built, as root, and nothing else.

  -n, --dry-run  print the commands and change nothing; needs no root
  -v, --verbose  print each command before it runs
  -h, --help     print this

Exit status: 0 done, or there was nothing to do; 2 wrong usage; 3 refused, and nothing
was changed; 4 something could not be removed.
end
}

PATH=$PATH:/usr/sbin:/sbin
me=down.sh
lab=two-lans
labs=/run/nscompile # a folder for each lab that is up: its lock, and what it found on the host
state=$labs/$lab
namespaces='a1 a2 b1 b2 r switch1 switch2'
# All that stand on the host, if only until they are moved into a namespace.
interfaces='a1-veth0 a1-left a2-veth0 a2-left b1-veth0 b1-right b2-veth0 b2-right r-veth0 r-left r-veth1 r-right'

say() { printf '%s: %s\n' "$me" "$*" >&2; }

mode=run
for option do
    case $option in
        -n | --dry-run) mode=dry-run ;;
        -v | --verbose) mode=verbose ;;
        -h | --help) usage && exit 0 ;;
        *) say "unknown option $option" && usage >&2 && exit 2 ;;
    esac
done

# Is it there? /sys can belong to another network namespace than the one we are in, /proc/sys/net cannot.
has_namespace() { [ -e "/run/netns/$1" ]; }
has_interface() { [ -e "/proc/sys/net/ipv4/conf/$1" ]; }

# Calls the given command with each thing of the lab that is there.
present() {
    for name in $namespaces; do ! has_namespace "$name" || "$@" "namespace $name"; done
    for name in $interfaces; do ! has_interface "$name" || "$@" "interface $name"; done
}

# Whether another lab that is up noted the same about the host: then it is not ours to put back.
noted_elsewhere() {
    for note in "$labs"/*/"$1"; do
        [ "$note" = "$state/$1" ] || [ ! -e "$note" ] || return 0
    done
    return 1
}

# Takes the lab apart, last things first; what is not there is passed over.
undo() {
    # Namespaces
    has_namespace switch2 && ip netns del switch2
    has_namespace switch1 && ip netns del switch1
    has_namespace r && ip netns del r
    has_namespace b2 && ip netns del b2
    has_namespace b1 && ip netns del b1
    has_namespace a2 && ip netns del a2
    has_namespace a1 && ip netns del a1
}

# Veth pairs that were made and not moved yet: after undo, only an up.sh that was stopped halfway has left any.
sweep() {
    for name in $interfaces; do ! has_interface "$name" || ip link del dev "$name"; done
}

# Takes down the lab's folder, and /run/netns if it came with the first namespace and is empty again.
forget() {
    if [ -e "$state/netns" ] && ! noted_elsewhere netns && [ -z "$(ls -A /run/netns)" ]; then
        umount -n /run/netns && rmdir /run/netns
    fi
    rm -f "$state"/*
    rmdir "$state"
    rmdir "$labs" 2>/dev/null || :
}

# Prints a command as a person would type it.
show() {
    line=
    for word do
        case $word in
            '' | *[!A-Za-z0-9_./:=@%+!-]*) line="$line '$(printf %s "$word" | sed "s/'/'\\\\''/g")'" ;;
            *) line="$line $word" ;;
        esac
    done
    printf '%s\n' "${line# }"
}

# A dry run and a trace stand in front of the commands, which stay as a person would type them.
case $mode in
    dry-run)
        has_namespace() { :; }
        has_interface() { :; }
        ip() { show ip "$@"; }
        ;;
    verbose)
        ip() { show ip "$@" >&2 && command ip "$@"; }
        ;;
esac

if [ $mode = dry-run ]; then
    undo
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    say "this needs root: sudo sh $me"
    exit 3
fi
if [ ! -e "$state" ]; then
    say "the lab $lab is not up; there is nothing to do"
    exit 0
fi
undo
sweep
if [ -n "$(present echo)" ]; then
    present say "could not remove"
    exit 4
fi
forget
say "the lab $lab is gone"
