#!/bin/sh
# Builds the lab ring on this host; down.sh removes it.
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

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab ring, as root; sh down.sh removes it.

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

refused=
refuse() {
    say "$*"
    refused=yes
}

# Finds every reason not to begin, before anything is changed.
preflight() {
    [ "$(id -u)" = 0 ] || refuse "this needs root: sudo sh $me"
    for tool in ip sysctl; do
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
ip netns add r1
ip netns add r2
ip netns add r3
ip netns add r4

# kernel settings that the lab asks for, each in its namespace alone
ip netns exec r1 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r2 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r3 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r4 sysctl net.ipv4.conf.all.rp_filter=2

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add r1-r2 type veth peer name r2-r1
ip link add r2-r3 type veth peer name r3-r2
ip link add r3-r4 type veth peer name r4-r3
ip link add r4-r1 type veth peer name r1-r4

# ---- 3. Into their namespaces ----
# new interfaces stand on the host; each end goes to the namespace it is for
ip link set r1-r2 netns r1
ip link set r2-r1 netns r2
ip link set r2-r3 netns r2
ip link set r3-r2 netns r3
ip link set r3-r4 netns r3
ip link set r4-r3 netns r4
ip link set r4-r1 netns r4
ip link set r1-r4 netns r1

# ---- 4. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec r1 ip link set lo up
ip netns exec r2 ip link set lo up
ip netns exec r3 ip link set lo up
ip netns exec r4 ip link set lo up

# an interface is made down
ip netns exec r1 ip link set r1-r2 up
ip netns exec r2 ip link set r2-r1 up
ip netns exec r2 ip link set r2-r3 up
ip netns exec r3 ip link set r3-r2 up
ip netns exec r3 ip link set r3-r4 up
ip netns exec r4 ip link set r4-r3 up
ip netns exec r4 ip link set r4-r1 up
ip netns exec r1 ip link set r1-r4 up

# ---- 5. Addresses ----
# an address on lo belongs to the node as a whole, whichever interface is up
ip netns exec r1 ip address add 10.255.0.1/32 dev lo
ip netns exec r2 ip address add 10.255.0.2/32 dev lo
ip netns exec r3 ip address add 10.255.0.3/32 dev lo
ip netns exec r4 ip address add 10.255.0.4/32 dev lo

# with an address comes the route to its prefix
ip netns exec r1 ip address add 10.0.12.1/30 dev r1-r2
ip netns exec r2 ip address add 10.0.12.2/30 dev r2-r1
ip netns exec r2 ip address add 10.0.23.1/30 dev r2-r3
ip netns exec r3 ip address add 10.0.23.2/30 dev r3-r2
ip netns exec r3 ip address add 10.0.34.1/30 dev r3-r4
ip netns exec r4 ip address add 10.0.34.2/30 dev r4-r3
ip netns exec r4 ip address add 10.0.41.1/30 dev r4-r1
ip netns exec r1 ip address add 10.0.41.2/30 dev r1-r4

# ---- 6. Routes ----
# static routes: what this node knows of networks that it is not connected to
ip netns exec r1 ip route add 10.255.0.2/32 via 10.0.12.2
ip netns exec r1 ip route add 10.255.0.3/32 via 10.0.12.2
ip netns exec r1 ip route add 10.255.0.4/32 via 10.0.41.1
ip netns exec r2 ip route add 10.255.0.3/32 via 10.0.23.2
ip netns exec r2 ip route add 10.255.0.4/32 via 10.0.23.2
ip netns exec r2 ip route add 10.255.0.1/32 via 10.0.12.1
ip netns exec r3 ip route add 10.255.0.4/32 via 10.0.34.2
ip netns exec r3 ip route add 10.255.0.1/32 via 10.0.34.2
ip netns exec r3 ip route add 10.255.0.2/32 via 10.0.23.1
ip netns exec r4 ip route add 10.255.0.1/32 via 10.0.41.2
ip netns exec r4 ip route add 10.255.0.2/32 via 10.0.41.2
ip netns exec r4 ip route add 10.255.0.3/32 via 10.0.34.1

# ---- 7. Forwarding ----
# let the routers pass on packets that are for others
ip netns exec r1 sysctl net.ipv4.ip_forward=1
ip netns exec r2 sysctl net.ipv4.ip_forward=1
ip netns exec r3 sysctl net.ipv4.ip_forward=1
ip netns exec r4 sysctl net.ipv4.ip_forward=1

# ---- Done ----
[ $mode != dry-run ] || exit 0
trap '' HUP INT TERM QUIT
begun=
say "the lab $lab is up; sh down.sh removes it"
