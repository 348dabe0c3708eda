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
labs=/run/nscompile
state=$labs/$lab # which script built the lab, what it found on the host, and the marks of its namespaces
build=670d153669f9
namespaces="ubuntu01 ubuntu02 ubuntu03"
interfaces="veth3e04f60 vethbc6d97f vethb13b736 docker0"

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
has_rule() { "$@" >/dev/null 2>&1; }

# Calls a command with each thing of the lab that is on this host.
ours=" $namespaces "
present() {
    for name in $ours; do ! has_namespace "$name" || "$@" "namespace $name"; done
    for name in $interfaces; do ! has_interface "$name" || "$@" "interface $name"; done
    ! has_rule iptables -t nat -C POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE || "$@" 'rule iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE'
    ! lets_pass iptables docker0 >/dev/null || "$@" 'rule that lets docker0 pass'
}

# Where this host drops what it should forward, as Docker and ufw set it up, lets the packets of an interface pass.
let_pass() {
    case $("$1" -S FORWARD 2>/dev/null) in *" DROP"* | *" REJECT"*) ;; *) return 0 ;; esac
    "$1" -I FORWARD -i "$2" -j ACCEPT
    "$1" -I FORWARD -o "$2" -j ACCEPT
}
# Whether the packets of an interface are let through, and an end to it.
lets_pass() { "$1" -S FORWARD 2>/dev/null | grep -xFe "-A FORWARD -i $2 -j ACCEPT" -e "-A FORWARD -o $2 -j ACCEPT"; }
let_pass_no_more() {
    "$1" -D FORWARD -i "$2" -j ACCEPT
    "$1" -D FORWARD -o "$2" -j ACCEPT
} 2>/dev/null

# Puts back a kernel setting, and all that the kernel changed with it, unless another lab that is up needs it.
restore() {
    for note in "$labs"/*/"$1"; do
        if [ "$note" != "$state/$1" ]; then rm -f "$state/$1" && return; fi
    done
    while IFS=: read -r file value; do
        [ ! -e "$file" ] || [ "$(cat "$file")" = "$value" ] || echo "$value" >"$file"
    done <"$state/$1"
    rm "$state/$1"
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
# lived on would keep its interfaces.
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

# Refuses a prefix that overlaps what this host has: addresses in it, routes to a part of it or to more than it.
free() {
    found=$(printf '%s\n' "address show to $2" "route show root $2" "route show match $2" |
        ip "-$1" -br -force -batch - 2>/dev/null | grep -v '^default') || :
    [ -z "$found" ] || refuse "the lab's prefix $2 overlaps what this host has:" "${found%%
*}"
}

# Lists every reason not to begin, before anything is changed.
preflight() {
    for tool in ip sysctl iptables stat unshare; do
        command -v "$tool" >/dev/null || refuse "$tool is not installed"
    done
    case $(ip -V 2>&1) in *iproute2*) ;; *) refuse "the ip on this host is not that of iproute2" ;; esac
    if ! may_change_networks; then
        case $(id -u) in
            0) refuse "root lacks CAP_NET_ADMIN or CAP_SYS_ADMIN here, as in most containers" ;;
            *) refuse "this needs root: sudo sh $me" ;;
        esac
    else
        needs 'source NAT with iptables' iptables -t nat -A POSTROUTING -j MASQUERADE
    fi
    if [ -e "$state" ]; then
        refuse "the lab is up, or half up: sh down.sh removes it"
    else
        free 4 172.17.0.0/16
        present refuse "already on this host:"
    fi
    [ -z "$refused" ] || exit 3
}

# Notes what a kernel setting is, and all that the kernel will change with it: KEY FILE…. Where another lab that is up
# has changed it already, the note is what that one found.
note() {
    key=$1 && shift
    for other in "$labs"/*/"$key"; do
        if [ -e "$other" ]; then cp "$other" "$state/$key" && return; fi
    done
    grep . "$@" >"$state/$key"
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
    note net.ipv4.ip_forward \
        /proc/sys/net/ipv4/ip_forward \
        /proc/sys/net/ipv4/conf/*/forwarding \
        /proc/sys/net/ipv4/conf/all/accept_redirects
}

# Last things first. What is gone already is no error; what counts is what is left.
undo() {
    # NAT
    iptables -t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
    # Forwarding
    let_pass_no_more iptables docker0
    restore net.ipv4.ip_forward
    # Bridges
    ip link del docker0
    # Veth pairs
    ip link del vethb13b736
    ip link del vethbc6d97f
    ip link del veth3e04f60
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

# a host that drops what it should forward, as Docker and ufw set it up, must let the lab's packets pass
let_pass iptables docker0

# ---- 9. NAT ----
# nobody outside knows the way back to these addresses, so packets leave under that of the way out
iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE

whole
