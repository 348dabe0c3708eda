#!/bin/sh
# Builds the lab article on this host; down.sh removes it.
#
#   ns1 --.
#   ns2 --+-- br0 (in bridge) -- rt-veth (on the host) -- NAT -- enp0s3
#   ns3 --'
#
#   namespace   interface  addresses       default route
#   ns1         ns1-veth0  192.0.2.1/24    192.0.2.100
#   ns2         ns2-veth0  192.0.2.2/24    192.0.2.100
#   ns3         ns3-veth0  192.0.2.3/24    192.0.2.100
#   bridge      br0        -               -
#   (the host)  rt-veth    192.0.2.100/24
#
# Compiled by nscompile 0.1.0 from:
#
#   lab article                       # three nodes, a bridge in a namespace of its own, NAT to the outside
#   bridge br0 in bridge
#   node ns1 ip 192.0.2.1/24 on br0
#   node ns2 ip 192.0.2.2/24 on br0
#   node ns3 ip 192.0.2.3/24 on br0
#   uplink br0 ip 192.0.2.100/24 nat via enp0s3

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab article, as root; sh down.sh removes it.

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
lab=article
labs=/run/nscompile # a folder for each lab that is up: its lock, and what it found on the host
state=$labs/$lab
namespaces='ns1 ns2 ns3 bridge'
# All that stand on the host, if only until they are moved into a namespace.
interfaces='ns1-veth0 ns1-br0 ns2-veth0 ns2-br0 ns3-veth0 ns3-br0 rt-veth rt-br0'

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
    ! has_rule iptables -t nat -C POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE || "$@" 'rule iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE'
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
    has_rule iptables -t nat -C POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE && iptables -t nat -D POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE
    # Forwarding
    restore net.ipv4.ip_forward
    # Uplinks
    has_interface rt-veth && ip link del rt-veth
    # Namespaces
    has_namespace bridge && ip netns del bridge
    has_namespace ns3 && ip netns del ns3
    has_namespace ns2 && ip netns del ns2
    has_namespace ns1 && ip netns del ns1
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
ip netns add ns1
ip netns add ns2
ip netns add ns3
ip netns add bridge

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add ns1-veth0 type veth peer name ns1-br0
ip link add ns2-veth0 type veth peer name ns2-br0
ip link add ns3-veth0 type veth peer name ns3-br0

# ---- 3. Into their namespaces ----
# new interfaces stand on the host; each end goes to the namespace it is for
ip link set ns1-veth0 netns ns1
ip link set ns2-veth0 netns ns2
ip link set ns3-veth0 netns ns3
ip link set ns1-br0 netns bridge
ip link set ns2-br0 netns bridge
ip link set ns3-br0 netns bridge

# ---- 4. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec ns1 ip link set lo up
ip netns exec ns2 ip link set lo up
ip netns exec ns3 ip link set lo up
ip netns exec bridge ip link set lo up

# an interface is made down
ip netns exec ns1 ip link set ns1-veth0 up
ip netns exec ns2 ip link set ns2-veth0 up
ip netns exec ns3 ip link set ns3-veth0 up

# the other ends, at the bridges
ip netns exec bridge ip link set ns1-br0 up
ip netns exec bridge ip link set ns2-br0 up
ip netns exec bridge ip link set ns3-br0 up

# ---- 5. Addresses ----
# with an address comes the route to its prefix
ip netns exec ns1 ip address add 192.0.2.1/24 dev ns1-veth0
ip netns exec ns2 ip address add 192.0.2.2/24 dev ns2-veth0
ip netns exec ns3 ip address add 192.0.2.3/24 dev ns3-veth0

# ---- 6. Bridges ----
# a bridge is a switch: it passes frames between its ports
ip netns exec bridge ip link add dev br0 type bridge
ip netns exec bridge ip link set br0 up

# ---- 7. Ports ----
# plug the ends into their bridge
ip netns exec bridge ip link set ns1-br0 master br0
ip netns exec bridge ip link set ns2-br0 master br0
ip netns exec bridge ip link set ns3-br0 master br0

# ---- 8. Uplinks ----
# one more pair, between the host and br0: the host's end is the gateway of the nodes there
ip link add name rt-veth type veth peer name rt-br0
ip link set rt-veth up
ip addr add 192.0.2.100/24 dev rt-veth
ip link set rt-br0 netns bridge
ip netns exec bridge ip link set dev rt-br0 master br0
ip netns exec bridge ip link set rt-br0 up

# ---- 9. Routes ----
# everything that is not connected goes to the gateway
ip netns exec ns1 ip route add default via 192.0.2.100
ip netns exec ns2 ip route add default via 192.0.2.100
ip netns exec ns3 ip route add default via 192.0.2.100

# ---- 10. Forwarding ----
# let the host pass on packets that are for others
sysctl net.ipv4.ip_forward=1

# ---- 11. NAT ----
# nobody outside knows the way back to these addresses, so packets leave under that of the way out
iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE

# ---- Done ----
[ $mode != dry-run ] || exit 0
trap '' HUP INT TERM QUIT
begun=
say "the lab $lab is up; sh down.sh removes it"
