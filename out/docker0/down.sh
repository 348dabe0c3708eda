#!/bin/sh
# Removes the lab docker0 from this host, also when half of it is gone already.
#
#   ubuntu01 --.
#   ubuntu02 --+-- docker0 172.17.0.1/16 (on the host) -- NAT -- outside
#   ubuntu03 --'
#
#   namespace   interface  addresses      default route
#   ubuntu01    eth0       172.17.0.2/16  172.17.0.1
#   ubuntu02    eth0       172.17.0.3/16  172.17.0.1
#   ubuntu03    eth0       172.17.0.4/16  172.17.0.1
#   (the host)  docker0    172.17.0.1/16
#
# Compiled by nscompile 0.1.0 from:
#
#   lab docker0                       # what Docker builds for three containers
#   bridge docker0 ip 172.17.0.1/16 nat
#   node ubuntu[01..03] on docker0 as eth0

set -u

usage() {
    cat <<'end'
usage: sh down.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Removes the lab docker0 that sh up.sh built, as root, and nothing else.

  -n, --dry-run  print the commands and change nothing; needs no root
  -v, --verbose  print each command before it runs
  -h, --help     print this

Exit status: 0 done, or there was nothing to do; 2 wrong usage; 3 refused, and nothing
was changed; 4 something could not be removed.
end
}

PATH=$PATH:/usr/sbin:/sbin
me=down.sh
lab=docker0
labs=/run/nscompile # a folder for each lab that is up: its lock, and what it found on the host
state=$labs/$lab
namespaces='ubuntu01 ubuntu02 ubuntu03'
# All that stand on the host, if only until they are moved into a namespace.
interfaces='veth3e04f60 vethbc6d97f vethb13b736 docker0'

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
has_rule() { command "$@" 2>/dev/null; }

# Calls the given command with each thing of the lab that is there.
present() {
    for name in $namespaces; do ! has_namespace "$name" || "$@" "namespace $name"; done
    for name in $interfaces; do ! has_interface "$name" || "$@" "interface $name"; done
    ! has_rule iptables -t nat -C POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE || "$@" 'rule iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE'
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
    # NAT
    has_rule iptables -t nat -C POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE && iptables -t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
    # Forwarding
    restore net.ipv4.ip_forward
    # Bridges
    has_interface docker0 && ip link del docker0
    # Veth pairs
    has_interface vethb13b736 && ip link del vethb13b736
    has_interface vethbc6d97f && ip link del vethbc6d97f
    has_interface veth3e04f60 && ip link del veth3e04f60
    # Namespaces
    has_namespace ubuntu03 && ip netns del ubuntu03
    has_namespace ubuntu02 && ip netns del ubuntu02
    has_namespace ubuntu01 && ip netns del ubuntu01
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

# Puts back a kernel setting, and all those that it changed with it, as they were noted.
restore() {
    [ -e "$state/$1" ] || return 0
    if ! noted_elsewhere "$1"; then
        while IFS=: read -r file value; do
            [ ! -e "$file" ] || [ "$(cat "$file")" = "$value" ] || echo "$value" > "$file"
        done < "$state/$1"
    fi
    rm "$state/$1"
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
        has_rule() { :; }
        restore() { echo "# $1: back to what it was"; }
        ip() { show ip "$@"; }
        sysctl() { show sysctl "$@"; }
        iptables() { show iptables "$@"; }
        ;;
    verbose)
        ip() { show ip "$@" >&2 && command ip "$@"; }
        sysctl() { show sysctl "$@" >&2 && command sysctl "$@"; }
        iptables() { show iptables "$@" >&2 && command iptables "$@"; }
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
