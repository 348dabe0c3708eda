#!/bin/sh
# Builds the lab two-lans on this host; down.sh removes it.
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

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab two-lans, as root; sh down.sh removes it.

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
lab=two-lans
labs=/run/nscompile
state=$labs/$lab # which script built the lab, what it found on the host, and the marks of its namespaces
build=fbf87ad442e4
namespaces="a1 a2 b1 b2 r switch1 switch2"
interfaces="a1-veth0 a1-left a2-veth0 a2-left b1-veth0 b1-right b2-veth0 b2-right r-veth0 r-left r-veth1 r-right"
passing="a1-veth0 a1-left a2-veth0 a2-left b1-veth0 b1-right b2-veth0 b2-right r-veth0 r-left r-veth1 r-right" # on the host only until they are moved

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


# Lists every reason not to begin, before anything is changed.
preflight() {
    for tool in ip sysctl stat; do
        command -v "$tool" >/dev/null || refuse "$tool is not installed"
    done
    case $(ip -V 2>&1) in *iproute2*) ;; *) refuse "the ip on this host is not that of iproute2" ;; esac
    if ! may_change_networks; then
        case $(id -u) in
            0) refuse "root lacks CAP_NET_ADMIN or CAP_SYS_ADMIN here, as in most containers" ;;
            *) refuse "this needs root: sudo sh $me" ;;
        esac
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
ip netns add a1
ip netns add a2
ip netns add b1
ip netns add b2
ip netns add r
ip netns add switch1
ip netns add switch2

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add a1-veth0 type veth peer name a1-left
ip link add a2-veth0 type veth peer name a2-left
ip link add b1-veth0 type veth peer name b1-right
ip link add b2-veth0 type veth peer name b2-right
ip link add r-veth0 type veth peer name r-left
ip link add r-veth1 type veth peer name r-right

# ---- 3. Into their namespaces ----
# new interfaces stand on the host; each end goes to the namespace it is for
ip link set a1-veth0 netns a1
ip link set a2-veth0 netns a2
ip link set b1-veth0 netns b1
ip link set b2-veth0 netns b2
ip link set r-veth0 netns r
ip link set r-veth1 netns r
ip link set a1-left netns switch1
ip link set a2-left netns switch1
ip link set b1-right netns switch2
ip link set b2-right netns switch2
ip link set r-left netns switch1
ip link set r-right netns switch2

# ---- 4. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec a1 ip link set lo up
ip netns exec a2 ip link set lo up
ip netns exec b1 ip link set lo up
ip netns exec b2 ip link set lo up
ip netns exec r ip link set lo up
ip netns exec switch1 ip link set lo up
ip netns exec switch2 ip link set lo up

# an interface is made down
ip netns exec a1 ip link set a1-veth0 up
ip netns exec a2 ip link set a2-veth0 up
ip netns exec b1 ip link set b1-veth0 up
ip netns exec b2 ip link set b2-veth0 up
ip netns exec r ip link set r-veth0 up
ip netns exec r ip link set r-veth1 up

# the other ends, at the bridges
ip netns exec switch1 ip link set a1-left up
ip netns exec switch1 ip link set a2-left up
ip netns exec switch2 ip link set b1-right up
ip netns exec switch2 ip link set b2-right up
ip netns exec switch1 ip link set r-left up
ip netns exec switch2 ip link set r-right up

# ---- 5. Addresses ----
# with an address comes the route to its prefix
ip netns exec a1 ip address add 10.0.1.1/24 dev a1-veth0
ip netns exec a2 ip address add 10.0.1.2/24 dev a2-veth0
ip netns exec b1 ip address add 10.0.2.1/24 dev b1-veth0
ip netns exec b2 ip address add 10.0.2.2/24 dev b2-veth0
ip netns exec r ip address add 10.0.1.254/24 dev r-veth0
ip netns exec r ip address add 10.0.2.254/24 dev r-veth1

# ---- 6. Bridges ----
# a bridge is a switch: it passes frames between its ports
ip netns exec switch1 ip link add dev left type bridge
ip netns exec switch1 ip link set left up
ip netns exec switch2 ip link add dev right type bridge
ip netns exec switch2 ip link set right up

# ---- 7. Ports ----
# plug the ends into their bridge
ip netns exec switch1 ip link set a1-left master left
ip netns exec switch1 ip link set a2-left master left
ip netns exec switch2 ip link set b1-right master right
ip netns exec switch2 ip link set b2-right master right
ip netns exec switch1 ip link set r-left master left
ip netns exec switch2 ip link set r-right master right

# ---- 8. Routes ----
# everything that is not connected goes to the gateway
ip netns exec a1 ip route add default via 10.0.1.254
ip netns exec a2 ip route add default via 10.0.1.254
ip netns exec b1 ip route add default via 10.0.2.254
ip netns exec b2 ip route add default via 10.0.2.254

# ---- 9. Forwarding ----
# let the routers pass on packets that are for others
ip netns exec r sysctl net.ipv4.ip_forward=1

whole
