#!/bin/sh
# Builds the lab grid on this host; down.sh removes it.
#
#   r1-1 -- r2-1 -- r3-1 -- r3-2 -- r2-2 -- r1-2 -- r1-1
#   r1-2 -- r1-3 -- r2-3 -- r3-3 -- r3-2
#   r2-1 -- r2-2 -- r2-3
#
#   namespace  interface  addresses       default route
#   r1-1       lo         10.1.1.1/32     -
#              r1-1-r2-1  172.16.1.5/30
#              r1-1-r1-2  172.17.1.5/30
#   r1-2       lo         10.1.2.1/32     -
#              r1-2-r2-2  172.16.1.9/30
#              r1-2-r1-1  172.17.1.6/30
#              r1-2-r1-3  172.17.1.9/30
#   r1-3       lo         10.1.3.1/32     -
#              r1-3-r2-3  172.16.1.13/30
#              r1-3-r1-2  172.17.1.10/30
#   r2-1       lo         10.2.1.1/32     -
#              r2-1-r1-1  172.16.1.6/30
#              r2-1-r3-1  172.16.2.5/30
#              r2-1-r2-2  172.17.2.5/30
#   r2-2       lo         10.2.2.1/32     -
#              r2-2-r1-2  172.16.1.10/30
#              r2-2-r3-2  172.16.2.9/30
#              r2-2-r2-1  172.17.2.6/30
#              r2-2-r2-3  172.17.2.9/30
#   r2-3       lo         10.2.3.1/32     -
#              r2-3-r1-3  172.16.1.14/30
#              r2-3-r3-3  172.16.2.13/30
#              r2-3-r2-2  172.17.2.10/30
#   r3-1       lo         10.3.1.1/32     -
#              r3-1-r2-1  172.16.2.6/30
#              r3-1-r3-2  172.17.3.5/30
#   r3-2       lo         10.3.2.1/32     -
#              r3-2-r2-2  172.16.2.10/30
#              r3-2-r3-1  172.17.3.6/30
#              r3-2-r3-3  172.17.3.9/30
#   r3-3       lo         10.3.3.1/32     -
#              r3-3-r2-3  172.16.2.14/30
#              r3-3-r3-2  172.17.3.10/30
#
# Compiled by nscompile 0.1.0 from:
#
#   lab grid              # routers in rows and columns; a packet goes along its row first, then along the column
#
#   let n = 3
#
#   for x in 1..$n { for y in 1..$n {
#       router r$x-$y {
#           loopback 10.$x.$y.1/32
#
#           # East, west: everything in the columns there. North, south: what is further on in this column.
#           for c in $(x + 1)..$n { route 10.$c.0.0/16 via 172.16.$x.$(4 * y + 2) }
#           for c in 1..$(x - 1)  { route 10.$c.0.0/16 via 172.16.$(x - 1).$(4 * y + 1) }
#           for c in $(y + 1)..$n { route 10.$x.$c.0/24 via 172.17.$x.$(4 * y + 2) }
#           for c in 1..$(y - 1)  { route 10.$x.$c.0/24 via 172.17.$x.$(4 * y - 3) }
#           sysctl net.ipv4.conf.all.rp_filter=2
#       }
#   } }
#   for x in 1..$(n - 1) { for y in 1..$n { link r$x-$y ip 172.16.$x.$(4 * y + 1)/30 -- r$(x + 1)-$y ip 172.16.$x.$(4 * y + 2)/30 } }
#   for x in 1..$n { for y in 1..$(n - 1) { link r$x-$y ip 172.17.$x.$(4 * y + 1)/30 -- r$x-$(y + 1) ip 172.17.$x.$(4 * y + 2)/30 } }

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab grid, as root; sh down.sh removes it.

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
lab=grid
labs=/run/nscompile
state=$labs/$lab # which script built the lab, what it found on the host, and the marks of its namespaces
build=e95774b6d6b3
namespaces="r1-1 r1-2 r1-3 r2-1 r2-2 r2-3 r3-1 r3-2 r3-3"
interfaces="r1-1-r2-1 r2-1-r1-1 r1-2-r2-2 r2-2-r1-2 r1-3-r2-3 r2-3-r1-3 r2-1-r3-1 r3-1-r2-1 r2-2-r3-2 r3-2-r2-2 \
r2-3-r3-3 r3-3-r2-3 r1-1-r1-2 r1-2-r1-1 r1-2-r1-3 r1-3-r1-2 r2-1-r2-2 r2-2-r2-1 r2-2-r2-3 r2-3-r2-2 \
r3-1-r3-2 r3-2-r3-1 r3-2-r3-3 r3-3-r3-2"
passing="r1-1-r2-1 r2-1-r1-1 r1-2-r2-2 r2-2-r1-2 r1-3-r2-3 r2-3-r1-3 r2-1-r3-1 r3-1-r2-1 r2-2-r3-2 r3-2-r2-2 \
r2-3-r3-3 r3-3-r2-3 r1-1-r1-2 r1-2-r1-1 r1-2-r1-3 r1-3-r1-2 r2-1-r2-2 r2-2-r2-1 r2-2-r2-3 r2-3-r2-2 \
r3-1-r3-2 r3-2-r3-1 r3-2-r3-3 r3-3-r3-2" # on the host only until they are moved

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
ip netns add r1-1
ip netns add r1-2
ip netns add r1-3
ip netns add r2-1
ip netns add r2-2
ip netns add r2-3
ip netns add r3-1
ip netns add r3-2
ip netns add r3-3

# kernel settings that the lab asks for, each in its namespace alone
ip netns exec r1-1 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r1-2 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r1-3 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r2-1 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r2-2 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r2-3 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r3-1 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r3-2 sysctl net.ipv4.conf.all.rp_filter=2
ip netns exec r3-3 sysctl net.ipv4.conf.all.rp_filter=2

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add r1-1-r2-1 type veth peer name r2-1-r1-1
ip link add r1-2-r2-2 type veth peer name r2-2-r1-2
ip link add r1-3-r2-3 type veth peer name r2-3-r1-3
ip link add r2-1-r3-1 type veth peer name r3-1-r2-1
ip link add r2-2-r3-2 type veth peer name r3-2-r2-2
ip link add r2-3-r3-3 type veth peer name r3-3-r2-3
ip link add r1-1-r1-2 type veth peer name r1-2-r1-1
ip link add r1-2-r1-3 type veth peer name r1-3-r1-2
ip link add r2-1-r2-2 type veth peer name r2-2-r2-1
ip link add r2-2-r2-3 type veth peer name r2-3-r2-2
ip link add r3-1-r3-2 type veth peer name r3-2-r3-1
ip link add r3-2-r3-3 type veth peer name r3-3-r3-2

# ---- 3. Into their namespaces ----
# new interfaces stand on the host; each end goes to the namespace it is for
ip link set r1-1-r2-1 netns r1-1
ip link set r2-1-r1-1 netns r2-1
ip link set r1-2-r2-2 netns r1-2
ip link set r2-2-r1-2 netns r2-2
ip link set r1-3-r2-3 netns r1-3
ip link set r2-3-r1-3 netns r2-3
ip link set r2-1-r3-1 netns r2-1
ip link set r3-1-r2-1 netns r3-1
ip link set r2-2-r3-2 netns r2-2
ip link set r3-2-r2-2 netns r3-2
ip link set r2-3-r3-3 netns r2-3
ip link set r3-3-r2-3 netns r3-3
ip link set r1-1-r1-2 netns r1-1
ip link set r1-2-r1-1 netns r1-2
ip link set r1-2-r1-3 netns r1-2
ip link set r1-3-r1-2 netns r1-3
ip link set r2-1-r2-2 netns r2-1
ip link set r2-2-r2-1 netns r2-2
ip link set r2-2-r2-3 netns r2-2
ip link set r2-3-r2-2 netns r2-3
ip link set r3-1-r3-2 netns r3-1
ip link set r3-2-r3-1 netns r3-2
ip link set r3-2-r3-3 netns r3-2
ip link set r3-3-r3-2 netns r3-3

# ---- 4. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec r1-1 ip link set lo up
ip netns exec r1-2 ip link set lo up
ip netns exec r1-3 ip link set lo up
ip netns exec r2-1 ip link set lo up
ip netns exec r2-2 ip link set lo up
ip netns exec r2-3 ip link set lo up
ip netns exec r3-1 ip link set lo up
ip netns exec r3-2 ip link set lo up
ip netns exec r3-3 ip link set lo up

# an interface is made down
ip netns exec r1-1 ip link set r1-1-r2-1 up
ip netns exec r2-1 ip link set r2-1-r1-1 up
ip netns exec r1-2 ip link set r1-2-r2-2 up
ip netns exec r2-2 ip link set r2-2-r1-2 up
ip netns exec r1-3 ip link set r1-3-r2-3 up
ip netns exec r2-3 ip link set r2-3-r1-3 up
ip netns exec r2-1 ip link set r2-1-r3-1 up
ip netns exec r3-1 ip link set r3-1-r2-1 up
ip netns exec r2-2 ip link set r2-2-r3-2 up
ip netns exec r3-2 ip link set r3-2-r2-2 up
ip netns exec r2-3 ip link set r2-3-r3-3 up
ip netns exec r3-3 ip link set r3-3-r2-3 up
ip netns exec r1-1 ip link set r1-1-r1-2 up
ip netns exec r1-2 ip link set r1-2-r1-1 up
ip netns exec r1-2 ip link set r1-2-r1-3 up
ip netns exec r1-3 ip link set r1-3-r1-2 up
ip netns exec r2-1 ip link set r2-1-r2-2 up
ip netns exec r2-2 ip link set r2-2-r2-1 up
ip netns exec r2-2 ip link set r2-2-r2-3 up
ip netns exec r2-3 ip link set r2-3-r2-2 up
ip netns exec r3-1 ip link set r3-1-r3-2 up
ip netns exec r3-2 ip link set r3-2-r3-1 up
ip netns exec r3-2 ip link set r3-2-r3-3 up
ip netns exec r3-3 ip link set r3-3-r3-2 up

# ---- 5. Addresses ----
# an address on lo belongs to the node as a whole, whichever interface is up
ip netns exec r1-1 ip address add 10.1.1.1/32 dev lo
ip netns exec r1-2 ip address add 10.1.2.1/32 dev lo
ip netns exec r1-3 ip address add 10.1.3.1/32 dev lo
ip netns exec r2-1 ip address add 10.2.1.1/32 dev lo
ip netns exec r2-2 ip address add 10.2.2.1/32 dev lo
ip netns exec r2-3 ip address add 10.2.3.1/32 dev lo
ip netns exec r3-1 ip address add 10.3.1.1/32 dev lo
ip netns exec r3-2 ip address add 10.3.2.1/32 dev lo
ip netns exec r3-3 ip address add 10.3.3.1/32 dev lo

# with an address comes the route to its prefix
ip netns exec r1-1 ip address add 172.16.1.5/30 dev r1-1-r2-1
ip netns exec r2-1 ip address add 172.16.1.6/30 dev r2-1-r1-1
ip netns exec r1-2 ip address add 172.16.1.9/30 dev r1-2-r2-2
ip netns exec r2-2 ip address add 172.16.1.10/30 dev r2-2-r1-2
ip netns exec r1-3 ip address add 172.16.1.13/30 dev r1-3-r2-3
ip netns exec r2-3 ip address add 172.16.1.14/30 dev r2-3-r1-3
ip netns exec r2-1 ip address add 172.16.2.5/30 dev r2-1-r3-1
ip netns exec r3-1 ip address add 172.16.2.6/30 dev r3-1-r2-1
ip netns exec r2-2 ip address add 172.16.2.9/30 dev r2-2-r3-2
ip netns exec r3-2 ip address add 172.16.2.10/30 dev r3-2-r2-2
ip netns exec r2-3 ip address add 172.16.2.13/30 dev r2-3-r3-3
ip netns exec r3-3 ip address add 172.16.2.14/30 dev r3-3-r2-3
ip netns exec r1-1 ip address add 172.17.1.5/30 dev r1-1-r1-2
ip netns exec r1-2 ip address add 172.17.1.6/30 dev r1-2-r1-1
ip netns exec r1-2 ip address add 172.17.1.9/30 dev r1-2-r1-3
ip netns exec r1-3 ip address add 172.17.1.10/30 dev r1-3-r1-2
ip netns exec r2-1 ip address add 172.17.2.5/30 dev r2-1-r2-2
ip netns exec r2-2 ip address add 172.17.2.6/30 dev r2-2-r2-1
ip netns exec r2-2 ip address add 172.17.2.9/30 dev r2-2-r2-3
ip netns exec r2-3 ip address add 172.17.2.10/30 dev r2-3-r2-2
ip netns exec r3-1 ip address add 172.17.3.5/30 dev r3-1-r3-2
ip netns exec r3-2 ip address add 172.17.3.6/30 dev r3-2-r3-1
ip netns exec r3-2 ip address add 172.17.3.9/30 dev r3-2-r3-3
ip netns exec r3-3 ip address add 172.17.3.10/30 dev r3-3-r3-2

# ---- 6. Routes ----
# static routes: what this node knows of networks that it is not connected to
ip netns exec r1-1 ip route add 10.2.0.0/16 via 172.16.1.6
ip netns exec r1-1 ip route add 10.3.0.0/16 via 172.16.1.6
ip netns exec r1-1 ip route add 10.1.2.0/24 via 172.17.1.6
ip netns exec r1-1 ip route add 10.1.3.0/24 via 172.17.1.6
ip netns exec r1-2 ip route add 10.2.0.0/16 via 172.16.1.10
ip netns exec r1-2 ip route add 10.3.0.0/16 via 172.16.1.10
ip netns exec r1-2 ip route add 10.1.3.0/24 via 172.17.1.10
ip netns exec r1-2 ip route add 10.1.1.0/24 via 172.17.1.5
ip netns exec r1-3 ip route add 10.2.0.0/16 via 172.16.1.14
ip netns exec r1-3 ip route add 10.3.0.0/16 via 172.16.1.14
ip netns exec r1-3 ip route add 10.1.1.0/24 via 172.17.1.9
ip netns exec r1-3 ip route add 10.1.2.0/24 via 172.17.1.9
ip netns exec r2-1 ip route add 10.3.0.0/16 via 172.16.2.6
ip netns exec r2-1 ip route add 10.1.0.0/16 via 172.16.1.5
ip netns exec r2-1 ip route add 10.2.2.0/24 via 172.17.2.6
ip netns exec r2-1 ip route add 10.2.3.0/24 via 172.17.2.6
ip netns exec r2-2 ip route add 10.3.0.0/16 via 172.16.2.10
ip netns exec r2-2 ip route add 10.1.0.0/16 via 172.16.1.9
ip netns exec r2-2 ip route add 10.2.3.0/24 via 172.17.2.10
ip netns exec r2-2 ip route add 10.2.1.0/24 via 172.17.2.5
ip netns exec r2-3 ip route add 10.3.0.0/16 via 172.16.2.14
ip netns exec r2-3 ip route add 10.1.0.0/16 via 172.16.1.13
ip netns exec r2-3 ip route add 10.2.1.0/24 via 172.17.2.9
ip netns exec r2-3 ip route add 10.2.2.0/24 via 172.17.2.9
ip netns exec r3-1 ip route add 10.1.0.0/16 via 172.16.2.5
ip netns exec r3-1 ip route add 10.2.0.0/16 via 172.16.2.5
ip netns exec r3-1 ip route add 10.3.2.0/24 via 172.17.3.6
ip netns exec r3-1 ip route add 10.3.3.0/24 via 172.17.3.6
ip netns exec r3-2 ip route add 10.1.0.0/16 via 172.16.2.9
ip netns exec r3-2 ip route add 10.2.0.0/16 via 172.16.2.9
ip netns exec r3-2 ip route add 10.3.3.0/24 via 172.17.3.10
ip netns exec r3-2 ip route add 10.3.1.0/24 via 172.17.3.5
ip netns exec r3-3 ip route add 10.1.0.0/16 via 172.16.2.13
ip netns exec r3-3 ip route add 10.2.0.0/16 via 172.16.2.13
ip netns exec r3-3 ip route add 10.3.1.0/24 via 172.17.3.9
ip netns exec r3-3 ip route add 10.3.2.0/24 via 172.17.3.9

# ---- 7. Forwarding ----
# let the routers pass on packets that are for others
ip netns exec r1-1 sysctl net.ipv4.ip_forward=1
ip netns exec r1-2 sysctl net.ipv4.ip_forward=1
ip netns exec r1-3 sysctl net.ipv4.ip_forward=1
ip netns exec r2-1 sysctl net.ipv4.ip_forward=1
ip netns exec r2-2 sysctl net.ipv4.ip_forward=1
ip netns exec r2-3 sysctl net.ipv4.ip_forward=1
ip netns exec r3-1 sysctl net.ipv4.ip_forward=1
ip netns exec r3-2 sysctl net.ipv4.ip_forward=1
ip netns exec r3-3 sysctl net.ipv4.ip_forward=1

whole
