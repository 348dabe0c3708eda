#!/bin/sh
# Builds the lab dual-stack on this host; down.sh removes it.
#
#   a --.
#   b --+-- br0 (in bridge) -- rt-veth (on the host) -- NAT -- enp0s3
#   c --'
#
#   namespace   interface  addresses                             default route
#   a           a-veth0    10.10.0.1/24, 2001:db8:10::1/64       10.10.0.254, 2001:db8:10::ffff
#   b           b-veth0    10.10.0.2/24, 2001:db8:10::2/64       10.10.0.254, 2001:db8:10::ffff
#   c           c-veth0    2001:db8:10::c/64                     2001:db8:10::ffff
#   bridge      br0        -                                     -
#   (the host)  rt-veth    10.10.0.254/24, 2001:db8:10::ffff/64
#
# Compiled by nscompile 0.1.0 from:
#
#   lab dual-stack                    # IPv4 and IPv6 side by side, both with NAT to the outside
#
#   bridge br0 in bridge
#   node a ip 10.10.0.1/24, 2001:db8:10::1/64 on br0
#   node b on br0                     # an automatic address of each family
#   node c ip 2001:db8:10::c/64 on br0
#   uplink br0 ip 10.10.0.254/24, 2001:db8:10::ffff/64 nat via enp0s3

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab dual-stack, as root; sh down.sh removes it.

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
lab=dual-stack
labs=/run/nscompile # a folder for each lab that is up: its lock, and what it found on the host
state=$labs/$lab
namespaces='a b c bridge'
# All that stand on the host, if only until they are moved into a namespace.
interfaces='a-veth0 a-br0 b-veth0 b-br0 c-veth0 c-br0 rt-veth rt-br0'

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
    ! has_rule iptables -t nat -C POSTROUTING -s 10.10.0.0/24 -o enp0s3 -j MASQUERADE || "$@" 'rule iptables -t nat -A POSTROUTING -s 10.10.0.0/24 -o enp0s3 -j MASQUERADE'
    ! has_rule ip6tables -t nat -C POSTROUTING -s 2001:db8:10::/64 -o enp0s3 -j MASQUERADE || "$@" 'rule ip6tables -t nat -A POSTROUTING -s 2001:db8:10::/64 -o enp0s3 -j MASQUERADE'
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
    has_rule ip6tables -t nat -C POSTROUTING -s 2001:db8:10::/64 -o enp0s3 -j MASQUERADE && ip6tables -t nat -D POSTROUTING -s 2001:db8:10::/64 -o enp0s3 -j MASQUERADE
    has_rule iptables -t nat -C POSTROUTING -s 10.10.0.0/24 -o enp0s3 -j MASQUERADE && iptables -t nat -D POSTROUTING -s 10.10.0.0/24 -o enp0s3 -j MASQUERADE
    # Forwarding
    restore net.ipv6.conf.all.forwarding
    restore net.ipv4.ip_forward
    # Uplinks
    has_interface rt-veth && ip link del rt-veth
    # Namespaces
    has_namespace bridge && ip netns del bridge
    has_namespace c && ip netns del c
    has_namespace b && ip netns del b
    has_namespace a && ip netns del a
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
        ip6tables() { show ip6tables "$@"; }
        ;;
    verbose)
        ip() { show ip "$@" >&2 && command ip "$@"; }
        sysctl() { show sysctl "$@" >&2 && command sysctl "$@"; }
        iptables() { show iptables "$@" >&2 && command iptables "$@"; }
        ip6tables() { show ip6tables "$@" >&2 && command ip6tables "$@"; }
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
    for tool in ip sysctl iptables ip6tables; do
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
    note net.ipv6.conf.all.forwarding
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
ip netns add a
ip netns add b
ip netns add c
ip netns add bridge

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add a-veth0 type veth peer name a-br0
ip link add b-veth0 type veth peer name b-br0
ip link add c-veth0 type veth peer name c-br0

# ---- 3. Into their namespaces ----
# new interfaces stand on the host; each end goes to the namespace it is for
ip link set a-veth0 netns a
ip link set b-veth0 netns b
ip link set c-veth0 netns c
ip link set a-br0 netns bridge
ip link set b-br0 netns bridge
ip link set c-br0 netns bridge

# ---- 4. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec a ip link set lo up
ip netns exec b ip link set lo up
ip netns exec c ip link set lo up
ip netns exec bridge ip link set lo up

# an interface is made down
ip netns exec a ip link set a-veth0 up
ip netns exec b ip link set b-veth0 up
ip netns exec c ip link set c-veth0 up

# the other ends, at the bridges
ip netns exec bridge ip link set a-br0 up
ip netns exec bridge ip link set b-br0 up
ip netns exec bridge ip link set c-br0 up

# ---- 5. Addresses ----
# with an address comes the route to its prefix
ip netns exec a ip address add 10.10.0.1/24 dev a-veth0
ip netns exec a ip address add 2001:db8:10::1/64 dev a-veth0 nodad
ip netns exec b ip address add 10.10.0.2/24 dev b-veth0
ip netns exec b ip address add 2001:db8:10::2/64 dev b-veth0 nodad
ip netns exec c ip address add 2001:db8:10::c/64 dev c-veth0 nodad

# ---- 6. Bridges ----
# a bridge is a switch: it passes frames between its ports
ip netns exec bridge ip link add dev br0 type bridge
ip netns exec bridge ip link set br0 up

# ---- 7. Ports ----
# plug the ends into their bridge
ip netns exec bridge ip link set a-br0 master br0
ip netns exec bridge ip link set b-br0 master br0
ip netns exec bridge ip link set c-br0 master br0

# ---- 8. Uplinks ----
# one more pair, between the host and br0: the host's end is the gateway of the nodes there
ip link add name rt-veth type veth peer name rt-br0
ip link set rt-veth up
ip addr add 10.10.0.254/24 dev rt-veth
ip addr add 2001:db8:10::ffff/64 dev rt-veth nodad
ip link set rt-br0 netns bridge
ip netns exec bridge ip link set dev rt-br0 master br0
ip netns exec bridge ip link set rt-br0 up

# ---- 9. Routes ----
# everything that is not connected goes to the gateway
ip netns exec a ip route add default via 10.10.0.254
ip netns exec a ip -6 route add default via 2001:db8:10::ffff
ip netns exec b ip route add default via 10.10.0.254
ip netns exec b ip -6 route add default via 2001:db8:10::ffff
ip netns exec c ip -6 route add default via 2001:db8:10::ffff

# ---- 10. Forwarding ----
# let the host pass on packets that are for others
sysctl net.ipv4.ip_forward=1
sysctl net.ipv6.conf.all.forwarding=1

# ---- 11. NAT ----
# nobody outside knows the way back to these addresses, so packets leave under that of the way out
iptables -t nat -A POSTROUTING -s 10.10.0.0/24 -o enp0s3 -j MASQUERADE
ip6tables -t nat -A POSTROUTING -s 2001:db8:10::/64 -o enp0s3 -j MASQUERADE

# ---- Done ----
[ $mode != dry-run ] || exit 0
trap '' HUP INT TERM QUIT
begun=
say "the lab $lab is up; sh down.sh removes it"
