#!/bin/sh
# Removes the lab ring from this host, also when half of it is gone already.
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

set -u

usage() {
    cat <<'end'
usage: sh down.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Removes the lab ring that sh up.sh built, as root, and nothing else. Processes that run in its
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
lab=ring
labs=/run/nscompile
state=$labs/$lab # which script built the lab, what it found on the host, and the marks of its namespaces
build=f11b25bd4e5d
namespaces="r1 r2 r3 r4"
interfaces="r1-r2 r2-r1 r2-r3 r3-r2 r3-r4 r4-r3 r4-r1 r1-r4"
passing="r1-r2 r2-r1 r2-r3 r3-r2 r3-r4 r4-r3 r4-r1 r1-r4" # on the host only until they are moved

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

# ---- 1. Namespaces ----
only_ours <<end | ip -force -batch -
netns del r4
netns del r3
netns del r2
netns del r1
end

gone
