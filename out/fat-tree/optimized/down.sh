#!/bin/sh
# Removes the lab fat-tree from this host, also when half of it is gone already.
#
#   h1-1-1 --.
#            +-- lan1-1 10.1.1.1/24 (in edge1-1)
#   h1-1-2 --'
#
#   h1-2-1 --.
#            +-- lan1-2 10.1.2.1/24 (in edge1-2)
#   h1-2-2 --'
#
#   h2-1-1 --.
#            +-- lan2-1 10.2.1.1/24 (in edge2-1)
#   h2-1-2 --'
#
#   h2-2-1 --.
#            +-- lan2-2 10.2.2.1/24 (in edge2-2)
#   h2-2-2 --'
#
#   h3-1-1 --.
#            +-- lan3-1 10.3.1.1/24 (in edge3-1)
#   h3-1-2 --'
#
#   h3-2-1 --.
#            +-- lan3-2 10.3.2.1/24 (in edge3-2)
#   h3-2-2 --'
#
#   h4-1-1 --.
#            +-- lan4-1 10.4.1.1/24 (in edge4-1)
#   h4-1-2 --'
#
#   h4-2-1 --.
#            +-- lan4-2 10.4.2.1/24 (in edge4-2)
#   h4-2-2 --'
#
#   agg1-1 -- edge1-1 -- agg1-2 -- edge1-2 -- agg1-1 -- core1 -- agg2-1 -- edge2-1 -- agg2-2 -- edge2-2 -- agg2-1 -- core2 -- agg1-1
#   core1 -- agg3-1 -- edge3-1 -- agg3-2 -- edge3-2 -- agg3-1 -- core2 -- agg4-1 -- edge4-1 -- agg4-2 -- edge4-2 -- agg4-1 -- core1
#   agg1-2 -- core3 -- agg2-2 -- core4 -- agg1-2
#   core3 -- agg3-2 -- core4 -- agg4-2 -- core3
#
#   namespace  interface       addresses       default route
#   h1-1-1     h1-1-1-veth0    10.1.1.2/24     10.1.1.1
#   h1-1-2     h1-1-2-veth0    10.1.1.3/24     10.1.1.1
#   edge1-1    edge1-1-agg1-1  172.16.1.14/30  172.16.1.13
#              edge1-1-agg1-2  172.16.1.22/30
#              lan1-1          10.1.1.1/24
#   agg1-1     agg1-1-edge1-1  172.16.1.13/30  172.20.1.5
#              agg1-1-edge1-2  172.16.1.17/30
#              agg1-1-core1    172.20.1.6/30
#              agg1-1-core2    172.20.2.6/30
#   h1-2-1     h1-2-1-veth0    10.1.2.2/24     10.1.2.1
#   h1-2-2     h1-2-2-veth0    10.1.2.3/24     10.1.2.1
#   edge1-2    edge1-2-agg1-1  172.16.1.18/30  172.16.1.25
#              edge1-2-agg1-2  172.16.1.26/30
#              lan1-2          10.1.2.1/24
#   agg1-2     agg1-2-edge1-1  172.16.1.21/30  172.20.3.5
#              agg1-2-edge1-2  172.16.1.25/30
#              agg1-2-core3    172.20.3.6/30
#              agg1-2-core4    172.20.4.6/30
#   h2-1-1     h2-1-1-veth0    10.2.1.2/24     10.2.1.1
#   h2-1-2     h2-1-2-veth0    10.2.1.3/24     10.2.1.1
#   edge2-1    edge2-1-agg2-1  172.16.2.14/30  172.16.2.13
#              edge2-1-agg2-2  172.16.2.22/30
#              lan2-1          10.2.1.1/24
#   agg2-1     agg2-1-edge2-1  172.16.2.13/30  172.20.2.9
#              agg2-1-edge2-2  172.16.2.17/30
#              agg2-1-core1    172.20.1.10/30
#              agg2-1-core2    172.20.2.10/30
#   h2-2-1     h2-2-1-veth0    10.2.2.2/24     10.2.2.1
#   h2-2-2     h2-2-2-veth0    10.2.2.3/24     10.2.2.1
#   edge2-2    edge2-2-agg2-1  172.16.2.18/30  172.16.2.25
#              edge2-2-agg2-2  172.16.2.26/30
#              lan2-2          10.2.2.1/24
#   agg2-2     agg2-2-edge2-1  172.16.2.21/30  172.20.4.9
#              agg2-2-edge2-2  172.16.2.25/30
#              agg2-2-core3    172.20.3.10/30
#              agg2-2-core4    172.20.4.10/30
#   h3-1-1     h3-1-1-veth0    10.3.1.2/24     10.3.1.1
#   h3-1-2     h3-1-2-veth0    10.3.1.3/24     10.3.1.1
#   edge3-1    edge3-1-agg3-1  172.16.3.14/30  172.16.3.13
#              edge3-1-agg3-2  172.16.3.22/30
#              lan3-1          10.3.1.1/24
#   agg3-1     agg3-1-edge3-1  172.16.3.13/30  172.20.1.13
#              agg3-1-edge3-2  172.16.3.17/30
#              agg3-1-core1    172.20.1.14/30
#              agg3-1-core2    172.20.2.14/30
#   h3-2-1     h3-2-1-veth0    10.3.2.2/24     10.3.2.1
#   h3-2-2     h3-2-2-veth0    10.3.2.3/24     10.3.2.1
#   edge3-2    edge3-2-agg3-1  172.16.3.18/30  172.16.3.25
#              edge3-2-agg3-2  172.16.3.26/30
#              lan3-2          10.3.2.1/24
#   agg3-2     agg3-2-edge3-1  172.16.3.21/30  172.20.3.13
#              agg3-2-edge3-2  172.16.3.25/30
#              agg3-2-core3    172.20.3.14/30
#              agg3-2-core4    172.20.4.14/30
#   h4-1-1     h4-1-1-veth0    10.4.1.2/24     10.4.1.1
#   h4-1-2     h4-1-2-veth0    10.4.1.3/24     10.4.1.1
#   edge4-1    edge4-1-agg4-1  172.16.4.14/30  172.16.4.13
#              edge4-1-agg4-2  172.16.4.22/30
#              lan4-1          10.4.1.1/24
#   agg4-1     agg4-1-edge4-1  172.16.4.13/30  172.20.2.17
#              agg4-1-edge4-2  172.16.4.17/30
#              agg4-1-core1    172.20.1.18/30
#              agg4-1-core2    172.20.2.18/30
#   h4-2-1     h4-2-1-veth0    10.4.2.2/24     10.4.2.1
#   h4-2-2     h4-2-2-veth0    10.4.2.3/24     10.4.2.1
#   edge4-2    edge4-2-agg4-1  172.16.4.18/30  172.16.4.25
#              edge4-2-agg4-2  172.16.4.26/30
#              lan4-2          10.4.2.1/24
#   agg4-2     agg4-2-edge4-1  172.16.4.21/30  172.20.4.17
#              agg4-2-edge4-2  172.16.4.25/30
#              agg4-2-core3    172.20.3.18/30
#              agg4-2-core4    172.20.4.18/30
#   core1      core1-agg1-1    172.20.1.5/30   -
#              core1-agg2-1    172.20.1.9/30
#              core1-agg3-1    172.20.1.13/30
#              core1-agg4-1    172.20.1.17/30
#   core2      core2-agg1-1    172.20.2.5/30   -
#              core2-agg2-1    172.20.2.9/30
#              core2-agg3-1    172.20.2.13/30
#              core2-agg4-1    172.20.2.17/30
#   core3      core3-agg1-2    172.20.3.5/30   -
#              core3-agg2-2    172.20.3.9/30
#              core3-agg3-2    172.20.3.13/30
#              core3-agg4-2    172.20.3.17/30
#   core4      core4-agg1-2    172.20.4.5/30   -
#              core4-agg2-2    172.20.4.9/30
#              core4-agg3-2    172.20.4.13/30
#              core4-agg4-2    172.20.4.17/30
#
# Compiled by nscompile 0.1.0 from:
#
#   lab fat-tree          # three stages of routers, as data centres are built: 4 pods of 2 edges and 2 aggregations, 4 cores
#
#   # A packet may go one way and come back another, which strict filtering would drop.
#   defaults sysctl net.ipv4.conf.all.rp_filter=2
#
#   for p in 1..4 { for i in 1..2 {
#       bridge lan$p-$i in edge$p-$i ip 10.$p.$i.1/24
#       node h$p-$i-[1,2] on lan$p-$i
#
#       # Up: each edge has an aggregation, each aggregation a core of its own. Down: the prefix says which pod and edge.
#       router edge$p-$i route default via 172.16.$p.$(12 * i + 1)
#       router agg$p-$i {
#           route default via 172.20.$(2 * i - p % 2).$(4 * p + 1)
#           for e in 1..2 { route 10.$p.$e.0/24 via 172.16.$p.$(8 * i + 4 * e + 2) }
#       }
#       for e in 1..2 { link agg$p-$i ip 172.16.$p.$(8 * i + 4 * e + 1)/30 -- edge$p-$e ip 172.16.$p.$(8 * i + 4 * e + 2)/30 }
#       for c in $(2 * i - 1)..$(2 * i) { link core$c ip 172.20.$c.$(4 * p + 1)/30 -- agg$p-$i ip 172.20.$c.$(4 * p + 2)/30 }
#   } }
#   for c in 1..4 { router core$c { for p in 1..4 { route 10.$p.0.0/16 via 172.20.$c.$(4 * p + 2) } } }

set -u

usage() {
    cat <<'end'
usage: sh down.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Removes the lab fat-tree that sh up.sh built, as root, and nothing else. Processes that run in its
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
lab=fat-tree
labs=/run/nscompile
state=$labs/$lab # which script built the lab, what it found on the host, and the marks of its namespaces
build=f5cba4836270
namespaces="h1-1-1 h1-1-2 edge1-1 agg1-1 h1-2-1 h1-2-2 edge1-2 agg1-2 h2-1-1 h2-1-2 edge2-1 agg2-1 h2-2-1 h2-2-2 \
edge2-2 agg2-2 h3-1-1 h3-1-2 edge3-1 agg3-1 h3-2-1 h3-2-2 edge3-2 agg3-2 h4-1-1 h4-1-2 edge4-1 \
agg4-1 h4-2-1 h4-2-2 edge4-2 agg4-2 core1 core2 core3 core4"
interfaces=""

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

# The processes that stand in a folder.
standing_in() {
    folder=$(stat -c %d:%i "$1" 2>/dev/null) || return 0
    stat -L -c '%d:%i %n' /proc/[0-9]*/cwd 2>/dev/null | while read -r cwd path; do
        path=${path#/proc/}
        [ "$cwd" != "$folder" ] || echo "${path%%/*}"
    done
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
    [ -e "$state/namespaces" ] || while [ -n "$(standing_in "$state/shares")" ]; do
        standing_in "$state/shares" | while read -r process; do kill "$process" 2>/dev/null; done
        sleep 0.1
    done
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
    rmdir "$state/shares" 2>/dev/null
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
netns del core4
netns del core3
netns del core2
netns del core1
netns del agg4-2
netns del edge4-2
netns del h4-2-2
netns del h4-2-1
netns del agg4-1
netns del edge4-1
netns del h4-1-2
netns del h4-1-1
netns del agg3-2
netns del edge3-2
netns del h3-2-2
netns del h3-2-1
netns del agg3-1
netns del edge3-1
netns del h3-1-2
netns del h3-1-1
netns del agg2-2
netns del edge2-2
netns del h2-2-2
netns del h2-2-1
netns del agg2-1
netns del edge2-1
netns del h2-1-2
netns del h2-1-1
netns del agg1-2
netns del edge1-2
netns del h1-2-2
netns del h1-2-1
netns del agg1-1
netns del edge1-1
netns del h1-1-2
netns del h1-1-1
end

gone
