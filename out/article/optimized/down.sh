#!/bin/sh
# Removes the lab article from this host, also when half of it is gone already.
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

set -u

usage() {
    cat <<'end'
usage: sh down.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Removes the lab article that sh up.sh built, as root, and nothing else. Processes that run in its
namespaces are ended.

  -n, --dry-run  print the commands and change nothing; needs no root
  -v, --verbose  print each command before it runs, and what it says
  -h, --help     print this

Exit status: 0 done, or there was nothing to do; 2 wrong usage; 3 refused, and nothing
was changed; 4 something could not be removed.
end
}

PATH=$PATH:/usr/sbin:/sbin
me=down.sh
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
# Passes on the lines that delete a namespace of ours.
only_ours() { echo "$found" | sed 's/.* /netns del /' >"$state/ours" && grep -xFf "$state/ours"; }

# If nothing of the lab is left, removes its folder, and /run/netns if ip made that with a lab's first namespace.
forget() {
    [ -z "$(present echo)" ] || return 1
    if [ -e "$state/netns" ] && [ "$(echo "$labs"/*/netns)" = "$state/netns" ] && [ -z "$(ls -A /run/netns)" ]; then
        umount -n /run/netns && rmdir /run/netns
    fi
    rm -f "$state"/*
    rmdir "$state"
}

finish() {
    trap - EXIT
    release
    exit "$1"
}
begin() {
    if ! may_change_networks; then
        say "this needs root: sudo sh $me" && exit 3
    fi
    trap 'finish $?' EXIT
    trap 'finish 129' HUP
    trap 'finish 130' INT
    trap 'finish 131' QUIT
    trap '' PIPE # a reader who has seen enough is no reason to stop
    trap 'finish 143' TERM
    one_at_a_time
    if [ ! -e "$state" ]; then
        say "the lab $lab is not up; there is nothing to do" && exit 0
    fi
    if [ -e "$state/build" ] && [ "$(cat "$state/build")" != "$build" ]; then
        say "the lab $lab that is up was built by another up.sh; use the down.sh that was compiled with it" && exit 3
    fi
    claim
    exec 3>&2
    # What is gone already is no error; what counts is what is left.
    [ $mode = verbose ] || exec 2>/dev/null
}
gone() {
    set +v
    exec 2>&3
    if ! forget; then
        present say "could not remove" && exit 4
    fi
    say "the lab $lab is gone"
}

# From here on the script is what a person would type. A dry run has the shell print that and run nothing of it.
if [ $mode = dry-run ]; then
    exec 2>&1
    set -nv
else
    begin
    [ $mode != verbose ] || set -v
fi

# ---- 1. NAT ----
iptables -t nat -D POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE

# ---- 2. Forwarding ----
let_pass_no_more iptables rt-veth
restore net.ipv4.ip_forward

# ---- 3. Uplinks ----
ip link del rt-veth

# ---- 4. Namespaces ----
only_ours <<end | ip -force -batch -
netns del bridge
netns del ns3
netns del ns2
netns del ns1
end

gone
