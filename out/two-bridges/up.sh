#!/bin/sh
# Builds the lab two-bridges on this host; down.sh removes it.
#
#   a1 --.
#        +-- br0 10.20.0.1/24 (on the host) -- NAT -- outside
#   a2 --'
#
#   b1 --.
#        +-- br1 (in switch) -- rt-veth (on the host) -- NAT -- enp0s3
#   b2 --'
#
#   namespace   interface  addresses     default route
#   a1          a1-veth0   10.20.0.2/24  10.20.0.1
#   a2          a2-veth0   10.20.0.3/24  10.20.0.1
#   b1          b1-veth0   10.21.0.2/24  10.21.0.1
#   b2          b2-veth0   10.21.0.3/24  10.21.0.1
#   switch      br1        -             -
#   (the host)  rt-veth    10.21.0.1/24
#               br0        10.20.0.1/24
#
# Compiled by nscompile 0.1.0 from:
#
#   lab two-bridges                   # two ways to put a switch in: on the host, and in a namespace
#
#   bridge br0 ip 10.20.0.1/24 nat    # on the host: the bridge itself is the gateway
#   node a[1..2] on br0
#
#   bridge br1 in switch              # in a namespace: an uplink leads to the host
#   node b[1..2] on br1
#   uplink br1 ip 10.21.0.1/24 nat via enp0s3

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab two-bridges, as root; sh down.sh removes it.

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
lab=two-bridges
labs=/run/nscompile # a folder for each lab that is up: its lock, and what it found on the host
state=$labs/$lab
namespaces='a1 a2 b1 b2 switch'
# All that stand on the host, if only until they are moved into a namespace.
interfaces='a1-br0 a1-veth0 a2-br0 a2-veth0 b1-veth0 b1-br1 b2-veth0 b2-br1 br0 rt-veth rt-br1'

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
    ! has_rule iptables -t nat -C POSTROUTING -s 10.20.0.0/24 ! -o br0 -j MASQUERADE || "$@" 'rule iptables -t nat -A POSTROUTING -s 10.20.0.0/24 ! -o br0 -j MASQUERADE'
    ! has_rule iptables -t nat -C POSTROUTING -s 10.21.0.0/24 -o enp0s3 -j MASQUERADE || "$@" 'rule iptables -t nat -A POSTROUTING -s 10.21.0.0/24 -o enp0s3 -j MASQUERADE'
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
    has_rule iptables -t nat -C POSTROUTING -s 10.21.0.0/24 -o enp0s3 -j MASQUERADE && iptables -t nat -D POSTROUTING -s 10.21.0.0/24 -o enp0s3 -j MASQUERADE
    has_rule iptables -t nat -C POSTROUTING -s 10.20.0.0/24 ! -o br0 -j MASQUERADE && iptables -t nat -D POSTROUTING -s 10.20.0.0/24 ! -o br0 -j MASQUERADE
    # Forwarding
    restore net.ipv4.ip_forward
    # Uplinks
    has_interface rt-veth && ip link del rt-veth
    # Bridges
    has_interface br0 && ip link del br0
    # Veth pairs
    has_interface a2-br0 && ip link del a2-br0
    has_interface a1-br0 && ip link del a1-br0
    # Namespaces
    has_namespace switch && ip netns del switch
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
    has_interface enp0s3 || refuse "this host has no interface enp0s3, the way out of the lab"
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
ip netns add a1
ip netns add a2
ip netns add b1
ip netns add b2
ip netns add switch

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add a1-veth0 type veth peer name a1-br0
ip link add a2-veth0 type veth peer name a2-br0
ip link add b1-veth0 type veth peer name b1-br1
ip link add b2-veth0 type veth peer name b2-br1

# ---- 3. Into their namespaces ----
# new interfaces stand on the host; each end goes to the namespace it is for
ip link set a1-veth0 netns a1
ip link set a2-veth0 netns a2
ip link set b1-veth0 netns b1
ip link set b2-veth0 netns b2
ip link set b1-br1 netns switch
ip link set b2-br1 netns switch

# ---- 4. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec a1 ip link set lo up
ip netns exec a2 ip link set lo up
ip netns exec b1 ip link set lo up
ip netns exec b2 ip link set lo up
ip netns exec switch ip link set lo up

# an interface is made down
ip netns exec a1 ip link set a1-veth0 up
ip netns exec a2 ip link set a2-veth0 up
ip netns exec b1 ip link set b1-veth0 up
ip netns exec b2 ip link set b2-veth0 up

# the other ends, at the bridges
ip link set a1-br0 up
ip link set a2-br0 up
ip netns exec switch ip link set b1-br1 up
ip netns exec switch ip link set b2-br1 up

# ---- 5. Addresses ----
# with an address comes the route to its prefix
ip netns exec a1 ip address add 10.20.0.2/24 dev a1-veth0
ip netns exec a2 ip address add 10.20.0.3/24 dev a2-veth0
ip netns exec b1 ip address add 10.21.0.2/24 dev b1-veth0
ip netns exec b2 ip address add 10.21.0.3/24 dev b2-veth0

# ---- 6. Bridges ----
# a bridge is a switch: it passes frames between its ports; with an address it is also the gateway of what is plugged in
ip link add dev br0 type bridge
ip link set br0 up
ip address add 10.20.0.1/24 dev br0

# a bridge is a switch: it passes frames between its ports
ip netns exec switch ip link add dev br1 type bridge
ip netns exec switch ip link set br1 up

# ---- 7. Ports ----
# plug the ends into their bridge
ip link set a1-br0 master br0
ip link set a2-br0 master br0
ip netns exec switch ip link set b1-br1 master br1
ip netns exec switch ip link set b2-br1 master br1

# ---- 8. Uplinks ----
# one more pair, between the host and br1: the host's end is the gateway of the nodes there
ip link add name rt-veth type veth peer name rt-br1
ip link set rt-veth up
ip addr add 10.21.0.1/24 dev rt-veth
ip link set rt-br1 netns switch
ip netns exec switch ip link set dev rt-br1 master br1
ip netns exec switch ip link set rt-br1 up

# ---- 9. Routes ----
# everything that is not connected goes to the gateway
ip netns exec a1 ip route add default via 10.20.0.1
ip netns exec a2 ip route add default via 10.20.0.1
ip netns exec b1 ip route add default via 10.21.0.1
ip netns exec b2 ip route add default via 10.21.0.1

# ---- 10. Forwarding ----
# let the host pass on packets that are for others
sysctl net.ipv4.ip_forward=1

# ---- 11. NAT ----
# nobody outside knows the way back to these addresses, so packets leave under that of the way out
iptables -t nat -A POSTROUTING -s 10.20.0.0/24 ! -o br0 -j MASQUERADE
iptables -t nat -A POSTROUTING -s 10.21.0.0/24 -o enp0s3 -j MASQUERADE

# ---- Done ----
[ $mode != dry-run ] || exit 0
trap '' HUP INT TERM QUIT
begun=
say "the lab $lab is up; sh down.sh removes it"
