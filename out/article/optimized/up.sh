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
labs=/run/nscompile
state=$labs/$lab # which script built the lab, what it found on the host, and the marks of its namespaces
build=0803eb1b99a0
namespaces="ns1 ns2 ns3 bridge"
interfaces="rt-veth"

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
    ! has_rule iptables -t nat -C POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE || "$@" 'rule iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE'
    ! lets_pass iptables rt-veth >/dev/null || "$@" 'rule that lets rt-veth pass'
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
    for tool in ip sysctl iptables nsenter stat unshare; do
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
    has_interface enp0s3 || refuse 'this host has no interface enp0s3'
    if [ -e "$state" ]; then
        refuse "the lab is up, or half up: sh down.sh removes it"
    else
        free 4 192.0.2.0/24
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
    iptables -t nat -D POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE
    # Forwarding
    let_pass_no_more iptables rt-veth
    restore net.ipv4.ip_forward
    # Uplinks
    ip link del rt-veth
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
# One process does a lot: it reads its commands, a line each, as far as `end`. nsenter goes into a namespace as
# `ip netns exec` does.
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
ip -batch - <<end
netns add ns1
netns add ns2
netns add ns3
netns add bridge
end

# ---- 2. Uplinks ----
# one more pair, between the host and br0: the host's end is the gateway of the nodes there
ip -batch - <<end
link add name rt-veth type veth peer name rt-br0 netns bridge
link set rt-veth up
addr add 192.0.2.100/24 dev rt-veth
end

# ---- 3. Inside the namespaces ----
# a veth pair is a cable: what goes in at one end comes out at the other
# a new namespace has its lo down, and could not even reach its own addresses
# with an address comes the route to its prefix
# everything that is not connected goes to the gateway
nsenter --net=/run/netns/ns1 ip -batch - <<end
link add name ns1-veth0 up type veth peer name ns1-br0 netns bridge
link set lo up
address add 192.0.2.1/24 dev ns1-veth0
route add default via 192.0.2.100
end
nsenter --net=/run/netns/ns2 ip -batch - <<end
link add name ns2-veth0 up type veth peer name ns2-br0 netns bridge
link set lo up
address add 192.0.2.2/24 dev ns2-veth0
route add default via 192.0.2.100
end
nsenter --net=/run/netns/ns3 ip -batch - <<end
link add name ns3-veth0 up type veth peer name ns3-br0 netns bridge
link set lo up
address add 192.0.2.3/24 dev ns3-veth0
route add default via 192.0.2.100
end

# ---- 4. Bridges ----
# a new namespace has its lo down, and could not even reach its own addresses
# a bridge is a switch: it passes frames between its ports
# plug the ends into their bridge
# one more pair, between the host and br0: the host's end is the gateway of the nodes there
nsenter --net=/run/netns/bridge ip -batch - <<end
link set lo up
link add dev br0 type bridge
link set ns1-br0 master br0 up
link set ns2-br0 master br0 up
link set ns3-br0 master br0 up
link set rt-br0 master br0 up
link set br0 up
end

# ---- 5. Forwarding ----
# let the host pass on packets that are for others
sysctl net.ipv4.ip_forward=1

# a host that drops what it should forward, as Docker and ufw set it up, must let the lab's packets pass
let_pass iptables rt-veth

# ---- 6. NAT ----
# nobody outside knows the way back to these addresses, so packets leave under that of the way out
iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE

whole
