#!/bin/sh
# Removes the lab dual-stack from this host, also when half of it is gone already.
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

set -u

usage() {
    cat <<'end'
usage: sh down.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Removes the lab dual-stack that sh up.sh built, as root, and nothing else.

  -n, --dry-run  print the commands and change nothing; needs no root
  -v, --verbose  print each command before it runs
  -h, --help     print this

Exit status: 0 done, or there was nothing to do; 2 wrong usage; 3 refused, and nothing
was changed; 4 something could not be removed.
end
}

PATH=$PATH:/usr/sbin:/sbin
me=down.sh
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

if [ $mode = dry-run ]; then
    undo
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    say "this needs root: sudo sh $me"
    exit 3
fi
if [ ! -e "$state" ]; then
    say "the lab $lab is not up; there is nothing to do"
    exit 0
fi
undo
sweep
if [ -n "$(present echo)" ]; then
    present say "could not remove"
    exit 4
fi
forget
say "the lab $lab is gone"
