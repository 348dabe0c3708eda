#!/bin/sh
# Builds the lab fat-tree on this host; down.sh removes it.
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

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab fat-tree, as root; sh down.sh removes it.

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
delete_ours() { echo "$found" | sed 's/.* /netns del /' | ip -force -batch -; }

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

refused=
refuse() { say "$*" && refused=yes; }


# Lists every reason not to begin, before anything is changed.
preflight() {
    for tool in ip sysctl nsenter stat; do
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
    mkdir -m 700 "$state" "$state/shares"
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

# A share of the work, done beside the others. It ends between two commands, when finish says so; should this script be
# killed, down.sh finds it by the folder that it stands in.
share() {
    trap '' HUP INT QUIT
    trap 'exit 1' TERM
    cd "$state/shares"
}
# Waits for all of them; the lab has failed if one has.
workers=
together() {
    while [ -n "$workers" ]; do
        wait "${workers%% *}" || failed=yes
        workers=${workers#* }
    done
    [ -z "${failed-}" ]
}

# The one way out, whatever ends this script: until the lab is whole, everything is taken back.
finish() {
    status=$?
    trap '' HUP INT PIPE QUIT TERM
    trap - EXIT
    set +ev
    for worker in $workers; do kill "$worker"; done
    [ -z "$workers" ] || wait
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
ip netns add h1-1-1
{
share
ip -batch - <<end
netns add h1-1-2
netns add edge1-1
netns add agg1-1
netns add h1-2-1
netns add h1-2-2
netns add edge1-2
netns add agg1-2
netns add h2-1-1
netns add h2-1-2
netns add edge2-1
netns add agg2-1
netns add h2-2-1
netns add h2-2-2
netns add edge2-2
netns add agg2-2
netns add h3-1-1
netns add h3-1-2
netns add edge3-1
end
} &
workers="$workers$! "
{
share
ip -batch - <<end
netns add agg3-1
netns add h3-2-1
netns add h3-2-2
netns add edge3-2
netns add agg3-2
netns add h4-1-1
netns add h4-1-2
netns add edge4-1
netns add agg4-1
netns add h4-2-1
netns add h4-2-2
netns add edge4-2
netns add agg4-2
netns add core1
netns add core2
netns add core3
netns add core4
end
} &
workers="$workers$! "
together

# kernel settings that the lab asks for, each in its namespace alone
{
share
nsenter --net=/run/netns/h1-1-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h1-1-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/edge1-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/agg1-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h1-2-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h1-2-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/edge1-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/agg1-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h2-1-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h2-1-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/edge2-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/agg2-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h2-2-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h2-2-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/edge2-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/agg2-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h3-1-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h3-1-2 sysctl net.ipv4.conf.all.rp_filter=2
} &
workers="$workers$! "
{
share
nsenter --net=/run/netns/edge3-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/agg3-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h3-2-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h3-2-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/edge3-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/agg3-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h4-1-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h4-1-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/edge4-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/agg4-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h4-2-1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/h4-2-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/edge4-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/agg4-2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/core1 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/core2 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/core3 sysctl net.ipv4.conf.all.rp_filter=2
nsenter --net=/run/netns/core4 sysctl net.ipv4.conf.all.rp_filter=2
} &
workers="$workers$! "
together

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip -batch - <<end
link add name core1-agg1-1 netns core1 type veth peer name agg1-1-core1 netns agg1-1
link add name core2-agg1-1 netns core2 type veth peer name agg1-1-core2 netns agg1-1
link add name core3-agg1-2 netns core3 type veth peer name agg1-2-core3 netns agg1-2
link add name core4-agg1-2 netns core4 type veth peer name agg1-2-core4 netns agg1-2
link add name core1-agg2-1 netns core1 type veth peer name agg2-1-core1 netns agg2-1
link add name core2-agg2-1 netns core2 type veth peer name agg2-1-core2 netns agg2-1
link add name core3-agg2-2 netns core3 type veth peer name agg2-2-core3 netns agg2-2
link add name core4-agg2-2 netns core4 type veth peer name agg2-2-core4 netns agg2-2
link add name core1-agg3-1 netns core1 type veth peer name agg3-1-core1 netns agg3-1
link add name core2-agg3-1 netns core2 type veth peer name agg3-1-core2 netns agg3-1
link add name core3-agg3-2 netns core3 type veth peer name agg3-2-core3 netns agg3-2
link add name core4-agg3-2 netns core4 type veth peer name agg3-2-core4 netns agg3-2
link add name core1-agg4-1 netns core1 type veth peer name agg4-1-core1 netns agg4-1
link add name core2-agg4-1 netns core2 type veth peer name agg4-1-core2 netns agg4-1
link add name core3-agg4-2 netns core3 type veth peer name agg4-2-core3 netns agg4-2
link add name core4-agg4-2 netns core4 type veth peer name agg4-2-core4 netns agg4-2
end

# ---- 3. Inside the namespaces ----
# a veth pair is a cable: what goes in at one end comes out at the other
# a new namespace has its lo down, and could not even reach its own addresses
# an interface is made down
# with an address comes the route to its prefix
# everything that is not connected goes to the gateway
# static routes: what this node knows of networks that it is not connected to
# let the routers pass on packets that are for others
{
share
nsenter --net=/run/netns/h1-1-1 ip -batch - <<end
link add name h1-1-1-veth0 up type veth peer name h1-1-1-lan1-1 netns edge1-1
link set lo up
address add 10.1.1.2/24 dev h1-1-1-veth0
route add default via 10.1.1.1
end
nsenter --net=/run/netns/h1-1-2 ip -batch - <<end
link add name h1-1-2-veth0 up type veth peer name h1-1-2-lan1-1 netns edge1-1
link set lo up
address add 10.1.1.3/24 dev h1-1-2-veth0
route add default via 10.1.1.1
end
nsenter --net=/run/netns/agg1-1 ip -batch - <<end
link add name agg1-1-edge1-1 up type veth peer name edge1-1-agg1-1 netns edge1-1
link add name agg1-1-edge1-2 up type veth peer name edge1-2-agg1-1 netns edge1-2
link set lo up
link set agg1-1-core1 up
link set agg1-1-core2 up
address add 172.16.1.13/30 dev agg1-1-edge1-1
address add 172.16.1.17/30 dev agg1-1-edge1-2
address add 172.20.1.6/30 dev agg1-1-core1
address add 172.20.2.6/30 dev agg1-1-core2
route add default via 172.20.1.5
route add 10.1.1.0/24 via 172.16.1.14
route add 10.1.2.0/24 via 172.16.1.18
end
nsenter --net=/run/netns/agg1-1 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/h1-2-1 ip -batch - <<end
link add name h1-2-1-veth0 up type veth peer name h1-2-1-lan1-2 netns edge1-2
link set lo up
address add 10.1.2.2/24 dev h1-2-1-veth0
route add default via 10.1.2.1
end
nsenter --net=/run/netns/h1-2-2 ip -batch - <<end
link add name h1-2-2-veth0 up type veth peer name h1-2-2-lan1-2 netns edge1-2
link set lo up
address add 10.1.2.3/24 dev h1-2-2-veth0
route add default via 10.1.2.1
end
nsenter --net=/run/netns/agg1-2 ip -batch - <<end
link add name agg1-2-edge1-1 up type veth peer name edge1-1-agg1-2 netns edge1-1
link add name agg1-2-edge1-2 up type veth peer name edge1-2-agg1-2 netns edge1-2
link set lo up
link set agg1-2-core3 up
link set agg1-2-core4 up
address add 172.16.1.21/30 dev agg1-2-edge1-1
address add 172.16.1.25/30 dev agg1-2-edge1-2
address add 172.20.3.6/30 dev agg1-2-core3
address add 172.20.4.6/30 dev agg1-2-core4
route add default via 172.20.3.5
route add 10.1.1.0/24 via 172.16.1.22
route add 10.1.2.0/24 via 172.16.1.26
end
nsenter --net=/run/netns/agg1-2 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/h2-1-1 ip -batch - <<end
link add name h2-1-1-veth0 up type veth peer name h2-1-1-lan2-1 netns edge2-1
link set lo up
address add 10.2.1.2/24 dev h2-1-1-veth0
route add default via 10.2.1.1
end
nsenter --net=/run/netns/h2-1-2 ip -batch - <<end
link add name h2-1-2-veth0 up type veth peer name h2-1-2-lan2-1 netns edge2-1
link set lo up
address add 10.2.1.3/24 dev h2-1-2-veth0
route add default via 10.2.1.1
end
nsenter --net=/run/netns/agg2-1 ip -batch - <<end
link add name agg2-1-edge2-1 up type veth peer name edge2-1-agg2-1 netns edge2-1
link add name agg2-1-edge2-2 up type veth peer name edge2-2-agg2-1 netns edge2-2
link set lo up
link set agg2-1-core1 up
link set agg2-1-core2 up
address add 172.16.2.13/30 dev agg2-1-edge2-1
address add 172.16.2.17/30 dev agg2-1-edge2-2
address add 172.20.1.10/30 dev agg2-1-core1
address add 172.20.2.10/30 dev agg2-1-core2
route add default via 172.20.2.9
route add 10.2.1.0/24 via 172.16.2.14
route add 10.2.2.0/24 via 172.16.2.18
end
nsenter --net=/run/netns/agg2-1 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/h2-2-1 ip -batch - <<end
link add name h2-2-1-veth0 up type veth peer name h2-2-1-lan2-2 netns edge2-2
link set lo up
address add 10.2.2.2/24 dev h2-2-1-veth0
route add default via 10.2.2.1
end
nsenter --net=/run/netns/h2-2-2 ip -batch - <<end
link add name h2-2-2-veth0 up type veth peer name h2-2-2-lan2-2 netns edge2-2
link set lo up
address add 10.2.2.3/24 dev h2-2-2-veth0
route add default via 10.2.2.1
end
nsenter --net=/run/netns/agg2-2 ip -batch - <<end
link add name agg2-2-edge2-1 up type veth peer name edge2-1-agg2-2 netns edge2-1
link add name agg2-2-edge2-2 up type veth peer name edge2-2-agg2-2 netns edge2-2
link set lo up
link set agg2-2-core3 up
link set agg2-2-core4 up
address add 172.16.2.21/30 dev agg2-2-edge2-1
address add 172.16.2.25/30 dev agg2-2-edge2-2
address add 172.20.3.10/30 dev agg2-2-core3
address add 172.20.4.10/30 dev agg2-2-core4
route add default via 172.20.4.9
route add 10.2.1.0/24 via 172.16.2.22
route add 10.2.2.0/24 via 172.16.2.26
end
nsenter --net=/run/netns/agg2-2 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/h3-1-1 ip -batch - <<end
link add name h3-1-1-veth0 up type veth peer name h3-1-1-lan3-1 netns edge3-1
link set lo up
address add 10.3.1.2/24 dev h3-1-1-veth0
route add default via 10.3.1.1
end
nsenter --net=/run/netns/h3-1-2 ip -batch - <<end
link add name h3-1-2-veth0 up type veth peer name h3-1-2-lan3-1 netns edge3-1
link set lo up
address add 10.3.1.3/24 dev h3-1-2-veth0
route add default via 10.3.1.1
end
} &
workers="$workers$! "
{
share
nsenter --net=/run/netns/agg3-1 ip -batch - <<end
link add name agg3-1-edge3-1 up type veth peer name edge3-1-agg3-1 netns edge3-1
link add name agg3-1-edge3-2 up type veth peer name edge3-2-agg3-1 netns edge3-2
link set lo up
link set agg3-1-core1 up
link set agg3-1-core2 up
address add 172.16.3.13/30 dev agg3-1-edge3-1
address add 172.16.3.17/30 dev agg3-1-edge3-2
address add 172.20.1.14/30 dev agg3-1-core1
address add 172.20.2.14/30 dev agg3-1-core2
route add default via 172.20.1.13
route add 10.3.1.0/24 via 172.16.3.14
route add 10.3.2.0/24 via 172.16.3.18
end
nsenter --net=/run/netns/agg3-1 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/h3-2-1 ip -batch - <<end
link add name h3-2-1-veth0 up type veth peer name h3-2-1-lan3-2 netns edge3-2
link set lo up
address add 10.3.2.2/24 dev h3-2-1-veth0
route add default via 10.3.2.1
end
nsenter --net=/run/netns/h3-2-2 ip -batch - <<end
link add name h3-2-2-veth0 up type veth peer name h3-2-2-lan3-2 netns edge3-2
link set lo up
address add 10.3.2.3/24 dev h3-2-2-veth0
route add default via 10.3.2.1
end
nsenter --net=/run/netns/agg3-2 ip -batch - <<end
link add name agg3-2-edge3-1 up type veth peer name edge3-1-agg3-2 netns edge3-1
link add name agg3-2-edge3-2 up type veth peer name edge3-2-agg3-2 netns edge3-2
link set lo up
link set agg3-2-core3 up
link set agg3-2-core4 up
address add 172.16.3.21/30 dev agg3-2-edge3-1
address add 172.16.3.25/30 dev agg3-2-edge3-2
address add 172.20.3.14/30 dev agg3-2-core3
address add 172.20.4.14/30 dev agg3-2-core4
route add default via 172.20.3.13
route add 10.3.1.0/24 via 172.16.3.22
route add 10.3.2.0/24 via 172.16.3.26
end
nsenter --net=/run/netns/agg3-2 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/h4-1-1 ip -batch - <<end
link add name h4-1-1-veth0 up type veth peer name h4-1-1-lan4-1 netns edge4-1
link set lo up
address add 10.4.1.2/24 dev h4-1-1-veth0
route add default via 10.4.1.1
end
nsenter --net=/run/netns/h4-1-2 ip -batch - <<end
link add name h4-1-2-veth0 up type veth peer name h4-1-2-lan4-1 netns edge4-1
link set lo up
address add 10.4.1.3/24 dev h4-1-2-veth0
route add default via 10.4.1.1
end
nsenter --net=/run/netns/agg4-1 ip -batch - <<end
link add name agg4-1-edge4-1 up type veth peer name edge4-1-agg4-1 netns edge4-1
link add name agg4-1-edge4-2 up type veth peer name edge4-2-agg4-1 netns edge4-2
link set lo up
link set agg4-1-core1 up
link set agg4-1-core2 up
address add 172.16.4.13/30 dev agg4-1-edge4-1
address add 172.16.4.17/30 dev agg4-1-edge4-2
address add 172.20.1.18/30 dev agg4-1-core1
address add 172.20.2.18/30 dev agg4-1-core2
route add default via 172.20.2.17
route add 10.4.1.0/24 via 172.16.4.14
route add 10.4.2.0/24 via 172.16.4.18
end
nsenter --net=/run/netns/agg4-1 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/h4-2-1 ip -batch - <<end
link add name h4-2-1-veth0 up type veth peer name h4-2-1-lan4-2 netns edge4-2
link set lo up
address add 10.4.2.2/24 dev h4-2-1-veth0
route add default via 10.4.2.1
end
nsenter --net=/run/netns/h4-2-2 ip -batch - <<end
link add name h4-2-2-veth0 up type veth peer name h4-2-2-lan4-2 netns edge4-2
link set lo up
address add 10.4.2.3/24 dev h4-2-2-veth0
route add default via 10.4.2.1
end
nsenter --net=/run/netns/agg4-2 ip -batch - <<end
link add name agg4-2-edge4-1 up type veth peer name edge4-1-agg4-2 netns edge4-1
link add name agg4-2-edge4-2 up type veth peer name edge4-2-agg4-2 netns edge4-2
link set lo up
link set agg4-2-core3 up
link set agg4-2-core4 up
address add 172.16.4.21/30 dev agg4-2-edge4-1
address add 172.16.4.25/30 dev agg4-2-edge4-2
address add 172.20.3.18/30 dev agg4-2-core3
address add 172.20.4.18/30 dev agg4-2-core4
route add default via 172.20.4.17
route add 10.4.1.0/24 via 172.16.4.22
route add 10.4.2.0/24 via 172.16.4.26
end
nsenter --net=/run/netns/agg4-2 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/core1 ip -batch - <<end
link set lo up
link set core1-agg1-1 up
link set core1-agg2-1 up
link set core1-agg3-1 up
link set core1-agg4-1 up
address add 172.20.1.5/30 dev core1-agg1-1
address add 172.20.1.9/30 dev core1-agg2-1
address add 172.20.1.13/30 dev core1-agg3-1
address add 172.20.1.17/30 dev core1-agg4-1
route add 10.1.0.0/16 via 172.20.1.6
route add 10.2.0.0/16 via 172.20.1.10
route add 10.3.0.0/16 via 172.20.1.14
route add 10.4.0.0/16 via 172.20.1.18
end
nsenter --net=/run/netns/core1 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/core2 ip -batch - <<end
link set lo up
link set core2-agg1-1 up
link set core2-agg2-1 up
link set core2-agg3-1 up
link set core2-agg4-1 up
address add 172.20.2.5/30 dev core2-agg1-1
address add 172.20.2.9/30 dev core2-agg2-1
address add 172.20.2.13/30 dev core2-agg3-1
address add 172.20.2.17/30 dev core2-agg4-1
route add 10.1.0.0/16 via 172.20.2.6
route add 10.2.0.0/16 via 172.20.2.10
route add 10.3.0.0/16 via 172.20.2.14
route add 10.4.0.0/16 via 172.20.2.18
end
nsenter --net=/run/netns/core2 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/core3 ip -batch - <<end
link set lo up
link set core3-agg1-2 up
link set core3-agg2-2 up
link set core3-agg3-2 up
link set core3-agg4-2 up
address add 172.20.3.5/30 dev core3-agg1-2
address add 172.20.3.9/30 dev core3-agg2-2
address add 172.20.3.13/30 dev core3-agg3-2
address add 172.20.3.17/30 dev core3-agg4-2
route add 10.1.0.0/16 via 172.20.3.6
route add 10.2.0.0/16 via 172.20.3.10
route add 10.3.0.0/16 via 172.20.3.14
route add 10.4.0.0/16 via 172.20.3.18
end
nsenter --net=/run/netns/core3 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/core4 ip -batch - <<end
link set lo up
link set core4-agg1-2 up
link set core4-agg2-2 up
link set core4-agg3-2 up
link set core4-agg4-2 up
address add 172.20.4.5/30 dev core4-agg1-2
address add 172.20.4.9/30 dev core4-agg2-2
address add 172.20.4.13/30 dev core4-agg3-2
address add 172.20.4.17/30 dev core4-agg4-2
route add 10.1.0.0/16 via 172.20.4.6
route add 10.2.0.0/16 via 172.20.4.10
route add 10.3.0.0/16 via 172.20.4.14
route add 10.4.0.0/16 via 172.20.4.18
end
nsenter --net=/run/netns/core4 sysctl net.ipv4.ip_forward=1
} &
workers="$workers$! "
together

# ---- 4. Bridges ----
# a new namespace has its lo down, and could not even reach its own addresses
# an interface is made down
# with an address comes the route to its prefix
# a bridge is a switch: it passes frames between its ports; with an address it is also the gateway of what is plugged in
# plug the ends into their bridge
# everything that is not connected goes to the gateway
# let the routers pass on packets that are for others
nsenter --net=/run/netns/edge1-1 ip -batch - <<end
link set lo up
link set edge1-1-agg1-1 up
link set edge1-1-agg1-2 up
address add 172.16.1.14/30 dev edge1-1-agg1-1
address add 172.16.1.22/30 dev edge1-1-agg1-2
link add dev lan1-1 type bridge
link set h1-1-1-lan1-1 master lan1-1 up
link set h1-1-2-lan1-1 master lan1-1 up
link set lan1-1 up
address add 10.1.1.1/24 dev lan1-1
route add default via 172.16.1.13
end
nsenter --net=/run/netns/edge1-1 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/edge1-2 ip -batch - <<end
link set lo up
link set edge1-2-agg1-1 up
link set edge1-2-agg1-2 up
address add 172.16.1.18/30 dev edge1-2-agg1-1
address add 172.16.1.26/30 dev edge1-2-agg1-2
link add dev lan1-2 type bridge
link set h1-2-1-lan1-2 master lan1-2 up
link set h1-2-2-lan1-2 master lan1-2 up
link set lan1-2 up
address add 10.1.2.1/24 dev lan1-2
route add default via 172.16.1.25
end
nsenter --net=/run/netns/edge1-2 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/edge2-1 ip -batch - <<end
link set lo up
link set edge2-1-agg2-1 up
link set edge2-1-agg2-2 up
address add 172.16.2.14/30 dev edge2-1-agg2-1
address add 172.16.2.22/30 dev edge2-1-agg2-2
link add dev lan2-1 type bridge
link set h2-1-1-lan2-1 master lan2-1 up
link set h2-1-2-lan2-1 master lan2-1 up
link set lan2-1 up
address add 10.2.1.1/24 dev lan2-1
route add default via 172.16.2.13
end
nsenter --net=/run/netns/edge2-1 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/edge2-2 ip -batch - <<end
link set lo up
link set edge2-2-agg2-1 up
link set edge2-2-agg2-2 up
address add 172.16.2.18/30 dev edge2-2-agg2-1
address add 172.16.2.26/30 dev edge2-2-agg2-2
link add dev lan2-2 type bridge
link set h2-2-1-lan2-2 master lan2-2 up
link set h2-2-2-lan2-2 master lan2-2 up
link set lan2-2 up
address add 10.2.2.1/24 dev lan2-2
route add default via 172.16.2.25
end
nsenter --net=/run/netns/edge2-2 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/edge3-1 ip -batch - <<end
link set lo up
link set edge3-1-agg3-1 up
link set edge3-1-agg3-2 up
address add 172.16.3.14/30 dev edge3-1-agg3-1
address add 172.16.3.22/30 dev edge3-1-agg3-2
link add dev lan3-1 type bridge
link set h3-1-1-lan3-1 master lan3-1 up
link set h3-1-2-lan3-1 master lan3-1 up
link set lan3-1 up
address add 10.3.1.1/24 dev lan3-1
route add default via 172.16.3.13
end
nsenter --net=/run/netns/edge3-1 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/edge3-2 ip -batch - <<end
link set lo up
link set edge3-2-agg3-1 up
link set edge3-2-agg3-2 up
address add 172.16.3.18/30 dev edge3-2-agg3-1
address add 172.16.3.26/30 dev edge3-2-agg3-2
link add dev lan3-2 type bridge
link set h3-2-1-lan3-2 master lan3-2 up
link set h3-2-2-lan3-2 master lan3-2 up
link set lan3-2 up
address add 10.3.2.1/24 dev lan3-2
route add default via 172.16.3.25
end
nsenter --net=/run/netns/edge3-2 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/edge4-1 ip -batch - <<end
link set lo up
link set edge4-1-agg4-1 up
link set edge4-1-agg4-2 up
address add 172.16.4.14/30 dev edge4-1-agg4-1
address add 172.16.4.22/30 dev edge4-1-agg4-2
link add dev lan4-1 type bridge
link set h4-1-1-lan4-1 master lan4-1 up
link set h4-1-2-lan4-1 master lan4-1 up
link set lan4-1 up
address add 10.4.1.1/24 dev lan4-1
route add default via 172.16.4.13
end
nsenter --net=/run/netns/edge4-1 sysctl net.ipv4.ip_forward=1
nsenter --net=/run/netns/edge4-2 ip -batch - <<end
link set lo up
link set edge4-2-agg4-1 up
link set edge4-2-agg4-2 up
address add 172.16.4.18/30 dev edge4-2-agg4-1
address add 172.16.4.26/30 dev edge4-2-agg4-2
link add dev lan4-2 type bridge
link set h4-2-1-lan4-2 master lan4-2 up
link set h4-2-2-lan4-2 master lan4-2 up
link set lan4-2 up
address add 10.4.2.1/24 dev lan4-2
route add default via 172.16.4.25
end
nsenter --net=/run/netns/edge4-2 sysctl net.ipv4.ip_forward=1

whole
