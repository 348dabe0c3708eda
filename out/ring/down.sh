#!/bin/sh
# Removes the lab ring from this host, also when half of it is gone already.
#
#   r1 -- r2 -- r3 -- r4 -- r1
#
#   namespace  interface  addresses      default route
#   r1         lo         10.255.0.1/32  -
#              r1-r2      10.0.12.1/30
#              r1-r4      10.0.41.2/30
#   r2         lo         10.255.0.2/32  -
#              r2-r1      10.0.12.2/30
#              r2-r3      10.0.23.1/30
#   r3         lo         10.255.0.3/32  -
#              r3-r2      10.0.23.2/30
#              r3-r4      10.0.34.1/30
#   r4         lo         10.255.0.4/32  -
#              r4-r3      10.0.34.2/30
#              r4-r1      10.0.41.1/30
#
# Compiled by nscompile 0.1.0 from:
#
#   lab ring                          # four routers in a circle: r1 -- r2 -- r3 -- r4 -- r1
#
#   link r[1..4] ip 10.0.[12,23,34,41].1/30 -- r[2..4,1] ip 10.0.[12,23,34,41].2/30
#
#   router r[1..4] {
#       loopback 10.255.0.[1..4]/32
#
#       # The next one and the one across are reached clockwise, the previous one the other way.
#       route 10.255.0.[2,3,4,1]/32 via 10.0.[12,23,34,41].2
#       route 10.255.0.[3,4,1,2]/32 via 10.0.[12,23,34,41].2
#       route 10.255.0.[4,1,2,3]/32 via 10.0.[41,12,23,34].1
#
#       # So what comes from across arrives on the other side than it is answered on: strict filtering would drop it.
#       sysctl net.ipv4.conf.all.rp_filter=2
#   }

set -u

usage() {
    cat <<'end'
usage: sh down.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Removes the lab ring that sh up.sh built, as root, and nothing else.

  -n, --dry-run  print the commands and change nothing; needs no root
  -v, --verbose  print each command before it runs
  -h, --help     print this

Exit status: 0 done, or there was nothing to do; 2 wrong usage; 3 refused, and nothing
was changed; 4 something could not be removed.
end
}

PATH=$PATH:/usr/sbin:/sbin
me=down.sh
lab=ring
labs=/run/nscompile # a folder for each lab that is up: its lock, and what it found on the host
state=$labs/$lab
namespaces='r1 r2 r3 r4'
# All that stand on the host, if only until they are moved into a namespace.
interfaces='r1-r2 r2-r1 r2-r3 r3-r2 r3-r4 r4-r3 r4-r1 r1-r4'

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
    has_namespace r4 && ip netns del r4
    has_namespace r3 && ip netns del r3
    has_namespace r2 && ip netns del r2
    has_namespace r1 && ip netns del r1
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
