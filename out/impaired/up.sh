#!/bin/sh
# Builds the lab impaired on this host; down.sh removes it.
#
#   pc    --.
#   phone --+-- lan (in home)
#   dsl   --'
#
#   dsl -- isp -- server
#   isp -- ship
#   isp -- mirror
#
#   namespace  interface    addresses        default route
#   pc         pc-veth0     192.168.1.10/24  192.168.1.1
#   phone      phone-veth0  192.168.1.11/24  192.168.1.1
#   dsl        dsl-veth0    192.168.1.1/24   10.0.12.2
#              dsl-isp      10.0.12.1/30
#   isp        isp-dsl      10.0.12.2/30     -
#              isp-server   10.0.23.1/30
#              isp-ship     10.0.24.1/30
#              isp-mirror   10.0.25.1/30
#   server     server-isp   10.0.23.2/30     10.0.23.1
#   ship       ship-isp     10.0.24.2/30     10.0.24.1
#   mirror     mirror-isp   10.0.25.2/30     -
#   home       lan          -                -
#
# Compiled by nscompile 0.1.0 from:
#
#   lab impaired                      # networks as they are outside the laboratory: slow, far away, lossy, half broken
#
#   # At home. What is said of an interface is what becomes of the packets that it sends: the phone's are late, some get lost.
#   bridge lan in home
#   node pc ip 192.168.1.10/24 on lan gateway 192.168.1.1
#   node phone ip 192.168.1.11/24 on lan delay 3ms jitter 2ms loss 1% gateway 192.168.1.1
#
#   # The telephone line is slow upwards and faster downwards: each end holds down what it sends.
#   router dsl ip 192.168.1.1/24 on lan route default via 10.0.12.2
#   router isp route 192.168.1.0/24 via 10.0.12.1
#   link dsl ip 10.0.12.1/30 rate 1mbit -- isp ip 10.0.12.2/30 rate 16mbit
#
#   # A cable through the ocean: 45 ms in both directions, so 90 ms there and back.
#   node server route default via 10.0.23.1
#   link isp ip 10.0.23.1/30 -- server ip 10.0.23.2/30 delay 45ms
#
#   # A satellite, 8000 km up: 269 packets of full size are between isp and ship at once, and 131 more may wait their turn.
#   node ship route default via 10.0.24.1
#   link isp ip 10.0.24.1/30 -- ship ip 10.0.24.2/30 delay 65ms rate 50mbit limit 400
#
#   # Two strands of fibre, of which an excavator has cut one: nothing gets from isp to mirror, all of it the other way.
#   node mirror
#   link isp ip 10.0.25.1/30 loss 100% -- mirror ip 10.0.25.2/30

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab impaired, as root; sh down.sh removes it.

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
lab=impaired
labs=/run/nscompile
state=$labs/$lab # which script built the lab, what it found on the host, and the marks of its namespaces
build=4b154b4ed2bd
namespaces="pc phone dsl isp server ship mirror home"
interfaces="pc-veth0 pc-lan phone-veth0 phone-lan dsl-veth0 dsl-lan dsl-isp isp-dsl isp-server server-isp \
isp-ship ship-isp isp-mirror mirror-isp"
passing="pc-veth0 pc-lan phone-veth0 phone-lan dsl-veth0 dsl-lan dsl-isp isp-dsl isp-server server-isp \
isp-ship ship-isp isp-mirror mirror-isp" # on the host only until they are moved

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
    for tool in ip tc sysctl stat unshare; do
        command -v "$tool" >/dev/null || refuse "$tool is not installed"
    done
    case $(ip -V 2>&1) in *iproute2*) ;; *) refuse "the ip on this host is not that of iproute2" ;; esac
    if ! may_change_networks; then
        case $(id -u) in
            0) refuse "root lacks CAP_NET_ADMIN or CAP_SYS_ADMIN here, as in most containers" ;;
            *) refuse "this needs root: sudo sh $me" ;;
        esac
    else
        needs 'netem, which delays and loses packets' tc qdisc add dev lo root netem delay 1ms
        needs 'tbf, which limits rates' tc qdisc add dev lo root tbf rate 1mbit burst 3000 latency 50ms
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
ip netns add pc
ip netns add phone
ip netns add dsl
ip netns add isp
ip netns add server
ip netns add ship
ip netns add mirror
ip netns add home

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add pc-veth0 type veth peer name pc-lan
ip link add phone-veth0 type veth peer name phone-lan
ip link add dsl-veth0 type veth peer name dsl-lan
ip link add dsl-isp type veth peer name isp-dsl
ip link add isp-server type veth peer name server-isp
ip link add isp-ship type veth peer name ship-isp
ip link add isp-mirror type veth peer name mirror-isp

# ---- 3. Into their namespaces ----
# new interfaces stand on the host; each end goes to the namespace it is for
ip link set pc-veth0 netns pc
ip link set phone-veth0 netns phone
ip link set dsl-veth0 netns dsl
ip link set dsl-isp netns dsl
ip link set isp-dsl netns isp
ip link set isp-server netns isp
ip link set server-isp netns server
ip link set isp-ship netns isp
ip link set ship-isp netns ship
ip link set isp-mirror netns isp
ip link set mirror-isp netns mirror
ip link set pc-lan netns home
ip link set phone-lan netns home
ip link set dsl-lan netns home

# ---- 4. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec pc ip link set lo up
ip netns exec phone ip link set lo up
ip netns exec dsl ip link set lo up
ip netns exec isp ip link set lo up
ip netns exec server ip link set lo up
ip netns exec ship ip link set lo up
ip netns exec mirror ip link set lo up
ip netns exec home ip link set lo up

# an interface is made down
ip netns exec pc ip link set pc-veth0 up
ip netns exec phone ip link set phone-veth0 up
ip netns exec dsl ip link set dsl-veth0 up
ip netns exec dsl ip link set dsl-isp up
ip netns exec isp ip link set isp-dsl up
ip netns exec isp ip link set isp-server up
ip netns exec server ip link set server-isp up
ip netns exec isp ip link set isp-ship up
ip netns exec ship ip link set ship-isp up
ip netns exec isp ip link set isp-mirror up
ip netns exec mirror ip link set mirror-isp up

# the other ends, at the bridges
ip netns exec home ip link set pc-lan up
ip netns exec home ip link set phone-lan up
ip netns exec home ip link set dsl-lan up

# ---- 5. Addresses ----
# with an address comes the route to its prefix
ip netns exec pc ip address add 192.168.1.10/24 dev pc-veth0
ip netns exec phone ip address add 192.168.1.11/24 dev phone-veth0
ip netns exec dsl ip address add 192.168.1.1/24 dev dsl-veth0
ip netns exec dsl ip address add 10.0.12.1/30 dev dsl-isp
ip netns exec isp ip address add 10.0.12.2/30 dev isp-dsl
ip netns exec isp ip address add 10.0.23.1/30 dev isp-server
ip netns exec server ip address add 10.0.23.2/30 dev server-isp
ip netns exec isp ip address add 10.0.24.1/30 dev isp-ship
ip netns exec ship ip address add 10.0.24.2/30 dev ship-isp
ip netns exec isp ip address add 10.0.25.1/30 dev isp-mirror
ip netns exec mirror ip address add 10.0.25.2/30 dev mirror-isp

# ---- 6. Bridges ----
# a bridge is a switch: it passes frames between its ports
ip netns exec home ip link add dev lan type bridge
ip netns exec home ip link set lan up

# ---- 7. Ports ----
# plug the ends into their bridge
ip netns exec home ip link set pc-lan master lan
ip netns exec home ip link set phone-lan master lan
ip netns exec home ip link set dsl-lan master lan

# ---- 8. Routes ----
# everything that is not connected goes to the gateway
ip netns exec pc ip route add default via 192.168.1.1
ip netns exec phone ip route add default via 192.168.1.1
ip netns exec dsl ip route add default via 10.0.12.2
ip netns exec server ip route add default via 10.0.23.1
ip netns exec ship ip route add default via 10.0.24.1

# static routes: what this node knows of networks that it is not connected to
ip netns exec isp ip route add 192.168.1.0/24 via 10.0.12.1

# ---- 9. Impairments ----
# netem stands in for a real cable: what an interface sends comes late, or not at all, or damaged
ip netns exec phone tc qdisc add dev phone-veth0 root netem delay 3ms 2ms loss 1%
ip netns exec isp tc qdisc add dev isp-server root netem delay 45ms
ip netns exec server tc qdisc add dev server-isp root netem delay 45ms
ip netns exec isp tc qdisc add dev isp-ship root netem delay 65ms rate 50mbit limit 400
ip netns exec ship tc qdisc add dev ship-isp root netem delay 65ms rate 50mbit limit 400
ip netns exec isp tc qdisc add dev isp-mirror root netem loss 100%

# tbf sends no faster than the rate: a burst of so many bytes goes at once, what would wait longer is dropped
ip netns exec dsl tc qdisc add dev dsl-isp root tbf rate 1mbit burst 3000 latency 50ms
ip netns exec isp tc qdisc add dev isp-dsl root tbf rate 16mbit burst 8000 latency 50ms

# ---- 10. Forwarding ----
# let the routers pass on packets that are for others
ip netns exec dsl sysctl net.ipv4.ip_forward=1
ip netns exec isp sysctl net.ipv4.ip_forward=1

whole
