#!/bin/sh
# Builds the lab wireguard on this host; down.sh removes it.
#
#   pc1 -- lan1 10.1.0.1/24 (in berlin)
#
#   pc2 -- lan2 10.2.0.1/24 (in tokyo)
#
#   internet -- berlin
#   internet -- tokyo
#
#   namespace  interface  what it is           addresses        default route
#   internet   berlin                          203.0.113.1/30   -
#              tokyo                           198.51.100.1/30
#   berlin     wan                             203.0.113.2/30   203.0.113.1
#              wg0        WireGuard to tokyo   10.9.0.1/24
#              lan1                            10.1.0.1/24
#   tokyo      wan                             198.51.100.2/30  198.51.100.1
#              wg0        WireGuard to berlin  10.9.0.2/24
#              lan2                            10.2.0.1/24
#   pc1        pc1-veth0                       10.1.0.2/24      10.1.0.1
#   pc2        pc2-veth0                       10.2.0.2/24      10.2.0.1
#
# Compiled by nscompile 0.1.0 from:
#
#   lab wireguard         # two offices that a network nobody trusts lies between: what they say to each other is encrypted
#
#   router internet
#   link internet:berlin ip 203.0.113.1/30 -- berlin:wan ip 203.0.113.2/30
#   link internet:tokyo ip 198.51.100.1/30 -- tokyo:wan ip 198.51.100.2/30
#
#   router berlin gateway 203.0.113.1 route 10.2.0.0/24 dev wg0
#   router tokyo gateway 198.51.100.1 route 10.1.0.0/24 dev wg0
#
#   # Keys are made when the lab comes up; each end is told the other's public one, and which addresses are behind it.
#   wireguard wg0 in berlin ip 10.9.0.1/24 net 10.1.0.0/24 peer tokyo
#   wireguard wg0 in tokyo  ip 10.9.0.2/24 net 10.2.0.0/24
#
#   bridge lan1 in berlin ip 10.1.0.1/24
#   bridge lan2 in tokyo ip 10.2.0.1/24
#   node pc1 on lan1
#   node pc2 on lan2

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab wireguard, as root; sh down.sh removes it.

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
lab=wireguard
labs=/run/nscompile
state=$labs/$lab # which script built the lab, what it found on the host, and the marks of its namespaces
build=1ac2a957d528
namespaces="internet berlin tokyo pc1 pc2"
interfaces="pc1-veth0 pc1-lan1 pc2-veth0 pc2-lan2"
passing="pc1-veth0 pc1-lan1 pc2-veth0 pc2-lan2" # on the host only until they are moved

say() { printf '%s: %s\n' "$me" "$*" >&2 || :; }

mode=run
for option do
    case $option in
        -n | --dry-run) mode=dry-run ;;
        -v | --verbose) mode=verbose ;;
        -h | --help) usage && exit 0 ;;
        *) say "unknown option $option" && usage >&2 && exit 2 ;;
    esac
done

# Whether this process has what root has for networks: CAP_NET_ADMIN and CAP_SYS_ADMIN, numbers 12 and 21.
may_change_networks() {
    [ -w /run ] || return 1
    while read -r key value; do
        if [ "$key" = CapEff: ]; then
            [ $((0x${value#??????????} & 0x201000)) = $((0x201000)) ]
            return
        fi
    done </proc/self/status
}

# Waits until no other script of a lab is at work, and keeps the others waiting. The link says whose turn it is, and so
# that of a script that was killed can be told.
one_at_a_time() {
    tries=0
    until mkdir -p "$labs" && ln -s $$ "$labs/-turn" 2>/dev/null; do
        holder=$(readlink "$labs/-turn") || continue
        [ -e "/proc/$holder" ] || rm -f "$labs/-turn"
        [ $tries != 1 ] || say "waiting for the script of another lab, process $holder"
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { say "process $holder does not end; $labs/-turn says that it is its turn" && exit 3; }
        sleep 0.2
    done
}
release() {
    [ "$(readlink "$labs/-turn")" != $$ ] || rm -f "$labs/-turn"
    [ -e "$state" ] || rmdir "$labs" 2>/dev/null || :
}

has_namespace() { [ -e "/run/netns/$1" ]; }
# /sys may show the interfaces of another network namespace than ours, /proc/sys/net cannot.
has_interface() { [ -e "/proc/sys/net/ipv4/conf/$1" ]; }

# Calls a command with each thing of the lab that is on this host.
ours=" $namespaces "
present() {
    for name in $ours; do ! has_namespace "$name" || "$@" "namespace $name"; done
    for name in $interfaces; do ! has_interface "$name" || "$@" "interface $name"; done
}

# The lab's namespaces as they are now, a line each: INODE.AGE NAME. The kernel gives an inode's number out again, so the
# time when it came to be goes with it.
marks() { (cd /run/netns && echo "$namespaces" | xargs stat -L -c '%i.%Z %n') 2>/dev/null; }

# The processes in the lab's namespaces.
inside() {
    stat -L -c '%i %n' /proc/[0-9]*/ns/net 2>/dev/null | while read -r inode path; do
        path=${path#/proc/}
        case $inodes in *" $inode "*) echo "${path%%/*}" ;; esac
    done
}

# Finds what of the lab is ours to remove, and clears the way: ends the processes in its namespaces, since one that
# lived on would keep its interfaces, and deletes veth pairs that an up.sh cut short had not moved.
claim() {
    # A name alone proves nothing: somebody may have made another namespace of that name since.
    found=$(if [ -e "$state/namespaces" ]; then marks | grep -xFf "$state/namespaces"; else marks; fi)
    ours=" $(echo "$found" | sed 's/.* //' | tr '\n' ' ') "
    inodes=" $(echo "$found" | sed 's/\..*//' | tr '\n' ' ') "
    for signal in TERM 0 0 0 0 0 0 0 0 0 KILL 0 0 0 0 0; do
        [ -n "$(inside)" ] || break
        inside | while read -r process; do kill -s $signal "$process" 2>/dev/null; done
        sleep 0.2
    done
    [ -e "$state/namespaces" ] || for name in $passing; do
        if has_interface "$name"; then ip link del dev "$name"; fi
    done
}
is_ours() { case $ours in *" $1 "*) ;; *) return 1 ;; esac; }
delete_ours() { echo "$found" | sed 's/.* /netns del /' | ip -force -batch -; }

# If nothing of the lab is left, removes its folder, and /run/netns if ip made that with a lab's first namespace.
forget() {
    [ -z "$(present echo)" ] || return 1
    if [ -e "$state/netns" ] && [ "$(echo "$labs"/*/netns)" = "$state/netns" ] && [ -z "$(ls -A /run/netns)" ]; then
        umount -n /run/netns && rmdir /run/netns
    fi
    rm -f "$state"/*
    rmdir "$state"
}

refused=
refuse() { say "$*" && refused=yes; }

# Tries a command in a scratch network namespace, which ends with it.
needs() {
    what=$1 && shift
    ! command -v "$1" >/dev/null || unshare -n "$@" >/dev/null 2>&1 || refuse "this kernel has no $what"
}

# Lists every reason not to begin, before anything is changed.
preflight() {
    for tool in ip wg sysctl stat unshare; do
        command -v "$tool" >/dev/null || refuse "$tool is not installed"
    done
    case $(ip -V 2>&1) in *iproute2*) ;; *) refuse "the ip on this host is not that of iproute2" ;; esac
    if ! may_change_networks; then
        case $(id -u) in
            0) refuse "root lacks CAP_NET_ADMIN or CAP_SYS_ADMIN here, as in most containers" ;;
            *) refuse "this needs root: sudo sh $me" ;;
        esac
    else
        needs 'wireguard devices' ip link add name a type wireguard
    fi
    if [ -e "$state" ]; then
        refuse "the lab is up, or half up: sh down.sh removes it"
    else
        present refuse "already on this host:"
    fi
    [ -z "$refused" ] || exit 3
}


# Opens the lab's folder and notes what is about to change.
begun=
begin() {
    begun=yes
    mkdir -m 700 "$state"
    echo "$build" >"$state/build"
    for other in "$labs"/*/netns; do
        if [ ! -e /run/netns ] || [ -e "$other" ]; then : >"$state/netns"; fi
    done
}

# Last things first. What is gone already is no error; what counts is what is left.
undo() {
    # Namespaces
    delete_ours
}

# The one way out, whatever ends this script: until the lab is whole, everything is taken back.
finish() {
    status=$?
    trap '' HUP INT PIPE QUIT TERM
    trap - EXIT
    set +ev
    [ -z "$begun" ] || status=1
    status=${1:-$status}
    if [ -n "$begun" ]; then
        say "this did not work out (sh $me -v shows where); taking everything back"
        claim
        undo 2>/dev/null
        if ! forget; then
            present say "could not remove"
            status=4
        fi
    fi
    release
    exit "$status"
}
whole() {
    set +v
    trap '' HUP INT PIPE QUIT TERM
    marks >"$state/namespaces"
    begun=
    say "the lab $lab is up; sh down.sh removes it"
}

# From here on the script is what a person would type. A dry run has the shell print that and run nothing of it.
if [ $mode = dry-run ]; then
    exec 2>&1
    set -nv
else
    trap finish EXIT
    trap 'finish 129' HUP
    trap 'finish 130' INT
    trap 'finish 131' QUIT
    trap '' PIPE # a reader who has seen enough is no reason to stop
    trap 'finish 143' TERM
    ! may_change_networks || one_at_a_time
    preflight
    begin
    exec >/dev/null # sysctl repeats what it is told
    [ $mode != verbose ] || set -v
fi

# ---- 1. Namespaces ----
# each namespace is a network stack of its own: interfaces, addresses, routes and rules
ip netns add internet
ip netns add berlin
ip netns add tokyo
ip netns add pc1
ip netns add pc2

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add pc1-veth0 type veth peer name pc1-lan1
ip link add pc2-veth0 type veth peer name pc2-lan2
ip link add name berlin netns internet type veth peer name wan netns berlin
ip link add name tokyo netns internet type veth peer name wan netns tokyo

# ---- 3. Into their namespaces ----
# new interfaces stand on the host; each end goes to the namespace it is for
ip link set pc1-veth0 netns pc1
ip link set pc2-veth0 netns pc2
ip link set pc1-lan1 netns berlin
ip link set pc2-lan2 netns tokyo

# ---- 4. Devices ----
# private keys are for nobody else to read
umask 077

# each end proves with its private key who it is, and is known to the others by the public one
wg genkey >/run/nscompile/wireguard/berlin:wg0.key
wg pubkey </run/nscompile/wireguard/berlin:wg0.key >/run/nscompile/wireguard/berlin:wg0.pub
wg genkey >/run/nscompile/wireguard/tokyo:wg0.key
wg pubkey </run/nscompile/wireguard/tokyo:wg0.key >/run/nscompile/wireguard/tokyo:wg0.pub

# programs of the nodes need not be so secretive
umask 022

# what goes into a WireGuard interface is encrypted for a peer
ip netns exec berlin ip link add name wg0 type wireguard
ip netns exec tokyo ip link add name wg0 type wireguard

# whom it talks to: where they are, and which addresses are behind them
ip netns exec berlin wg set wg0 listen-port 51820 private-key /run/nscompile/wireguard/berlin:wg0.key
ip netns exec berlin wg set wg0 peer "$(cat /run/nscompile/wireguard/tokyo:wg0.pub)" endpoint 198.51.100.2:51820 allowed-ips 10.9.0.2/32,10.2.0.0/24
ip netns exec tokyo wg set wg0 listen-port 51820 private-key /run/nscompile/wireguard/tokyo:wg0.key
ip netns exec tokyo wg set wg0 peer "$(cat /run/nscompile/wireguard/berlin:wg0.pub)" endpoint 203.0.113.2:51820 allowed-ips 10.9.0.1/32,10.1.0.0/24

# ---- 5. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec internet ip link set lo up
ip netns exec berlin ip link set lo up
ip netns exec tokyo ip link set lo up
ip netns exec pc1 ip link set lo up
ip netns exec pc2 ip link set lo up

# an interface is made down
ip netns exec pc1 ip link set pc1-veth0 up
ip netns exec pc2 ip link set pc2-veth0 up
ip netns exec internet ip link set berlin up
ip netns exec berlin ip link set wan up
ip netns exec internet ip link set tokyo up
ip netns exec tokyo ip link set wan up

# the other ends, at the bridges
ip netns exec berlin ip link set pc1-lan1 up
ip netns exec tokyo ip link set pc2-lan2 up

# devices come up after what they stand on
ip netns exec berlin ip link set wg0 up
ip netns exec tokyo ip link set wg0 up

# ---- 6. Addresses ----
# with an address comes the route to its prefix
ip netns exec pc1 ip address add 10.1.0.2/24 dev pc1-veth0
ip netns exec pc2 ip address add 10.2.0.2/24 dev pc2-veth0
ip netns exec internet ip address add 203.0.113.1/30 dev berlin
ip netns exec berlin ip address add 203.0.113.2/30 dev wan
ip netns exec internet ip address add 198.51.100.1/30 dev tokyo
ip netns exec tokyo ip address add 198.51.100.2/30 dev wan
ip netns exec berlin ip address add 10.9.0.1/24 dev wg0
ip netns exec tokyo ip address add 10.9.0.2/24 dev wg0

# ---- 7. Bridges ----
# a bridge is a switch: it passes frames between its ports; with an address it is also the gateway of what is plugged in
ip netns exec berlin ip link add dev lan1 type bridge
ip netns exec berlin ip link set lan1 up
ip netns exec berlin ip address add 10.1.0.1/24 dev lan1
ip netns exec tokyo ip link add dev lan2 type bridge
ip netns exec tokyo ip link set lan2 up
ip netns exec tokyo ip address add 10.2.0.1/24 dev lan2

# ---- 8. Ports ----
# plug the ends into their bridge
ip netns exec berlin ip link set pc1-lan1 master lan1
ip netns exec tokyo ip link set pc2-lan2 master lan2

# ---- 9. Routes ----
# everything that is not connected goes to the gateway
ip netns exec berlin ip route add default via 203.0.113.1
ip netns exec tokyo ip route add default via 198.51.100.1
ip netns exec pc1 ip route add default via 10.1.0.1
ip netns exec pc2 ip route add default via 10.2.0.1

# static routes: what this node knows of networks that it is not connected to
ip netns exec berlin ip route add 10.2.0.0/24 dev wg0
ip netns exec tokyo ip route add 10.1.0.0/24 dev wg0

# ---- 10. Forwarding ----
# let the routers pass on packets that are for others
ip netns exec internet sysctl net.ipv4.ip_forward=1
ip netns exec berlin sysctl net.ipv4.ip_forward=1
ip netns exec tokyo sysctl net.ipv4.ip_forward=1

whole
