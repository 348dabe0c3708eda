#!/bin/sh
# Builds the lab docker0 on this host; down.sh removes it.
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

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab docker0, as root; sh down.sh removes it.

  -n, --dry-run  print the commands and change nothing; needs no root
  -v, --verbose  print each command before it runs
  -h, --help     print this

Exit status: 0 done; 1 failed, and all was taken back; 2 wrong usage; 3 refused, and
nothing was changed; 4 failed, and something could not be taken back; 128+N ended by
signal N, and all was taken back.
end
}

PATH=$PATH:/usr/sbin:/sbin
me=up.sh
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

refused=
refuse() {
    say "$*"
    refused=yes
}

# Finds every reason not to begin, before anything is changed.
preflight() {
    [ "$(id -u)" = 0 ] || refuse "this needs root: sudo sh $me"
    for tool in ip sysctl iptables; do
        command -v "$tool" >/dev/null || refuse "$tool is not installed"
    done
    case $(command ip -V 2>&1) in
        *iproute2*) ;;
        *) refuse "the ip on this host is not that of iproute2" ;;
    esac
    if [ -e "$state" ]; then
        refuse "the lab is up, or half up: sh down.sh removes it"
    else
        present refuse "already on this host:"
    fi
    [ -z "$refused" ] || exit 3
}

# Takes the lock and notes what is about to change. A signal in between would find a lock that nobody owns.
begin() {
    trap '' HUP INT TERM QUIT
    mkdir -p "$labs"
    mkdir "$state" || exit 3
    begun=yes
    trap 'finish 129' HUP
    trap 'finish 130' INT
    trap 'finish 131' QUIT
    trap 'finish 143' TERM
    if [ ! -e /run/netns ] || noted_elsewhere netns; then : > "$state/netns"; fi
    note net.ipv4.ip_forward
}

# Notes a kernel setting and all those that change with it; if another lab has changed them, what that one noted.
note() {
    for noted in "$labs"/*/"$1"; do
        if [ -e "$noted" ]; then
            cp "$noted" "$state/$1"
            return
        fi
    done
    case $1 in
        net.ipv4.*)
            grep -s . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/forwarding \
                /proc/sys/net/ipv4/conf/all/accept_redirects
            ;;
        net.ipv6.*) grep -s . /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/*/forwarding ;;
    esac > "$state/$1"
}

# The one way out, whatever ends this script: until the lab is whole, everything is taken back.
begun=
finish() {
    status=$1
    trap '' HUP INT TERM QUIT PIPE
    trap - EXIT
    set +e
    if [ -n "$begun" ]; then
        say "this did not work out (sh $me -v shows where); taking everything back"
        [ "$status" -gt 128 ] || status=1
        undo
        sweep
        if [ -n "$(present echo)" ]; then
            present say "could not remove"
            status=4
        else
            forget
        fi
    fi
    exit "$status"
}

if [ $mode != dry-run ]; then
    preflight
    trap 'finish $?' EXIT
    begin
    exec >/dev/null # sysctl repeats what it is told
fi

# ---- 1. Namespaces ----
# each namespace is a network stack of its own: interfaces, addresses, routes and rules
ip netns add ubuntu01
ip netns add ubuntu02
ip netns add ubuntu03

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add veth3e04f60 type veth peer name eth0 netns ubuntu01
ip link add vethbc6d97f type veth peer name eth0 netns ubuntu02
ip link add vethb13b736 type veth peer name eth0 netns ubuntu03

# ---- 3. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec ubuntu01 ip link set lo up
ip netns exec ubuntu02 ip link set lo up
ip netns exec ubuntu03 ip link set lo up

# an interface is made down
ip netns exec ubuntu01 ip link set eth0 up
ip netns exec ubuntu02 ip link set eth0 up
ip netns exec ubuntu03 ip link set eth0 up

# the other ends, at the bridges
ip link set veth3e04f60 up
ip link set vethbc6d97f up
ip link set vethb13b736 up

# ---- 4. Addresses ----
# with an address comes the route to its prefix
ip netns exec ubuntu01 ip address add 172.17.0.2/16 dev eth0
ip netns exec ubuntu02 ip address add 172.17.0.3/16 dev eth0
ip netns exec ubuntu03 ip address add 172.17.0.4/16 dev eth0

# ---- 5. Bridges ----
# a bridge is a switch: it passes frames between its ports; with an address it is also the gateway of what is plugged in
ip link add dev docker0 type bridge
ip link set docker0 up
ip address add 172.17.0.1/16 dev docker0

# ---- 6. Ports ----
# plug the ends into their bridge
ip link set veth3e04f60 master docker0
ip link set vethbc6d97f master docker0
ip link set vethb13b736 master docker0

# ---- 7. Routes ----
# everything that is not connected goes to the gateway
ip netns exec ubuntu01 ip route add default via 172.17.0.1
ip netns exec ubuntu02 ip route add default via 172.17.0.1
ip netns exec ubuntu03 ip route add default via 172.17.0.1

# ---- 8. Forwarding ----
# let the host pass on packets that are for others
sysctl net.ipv4.ip_forward=1

# ---- 9. NAT ----
# nobody outside knows the way back to these addresses, so packets leave under that of the way out
iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE

# ---- Done ----
[ $mode != dry-run ] || exit 0
trap '' HUP INT TERM QUIT
begun=
say "the lab $lab is up; sh down.sh removes it"
