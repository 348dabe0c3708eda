#!/bin/sh
# Builds the lab services on this host; down.sh removes it.
#
#   client --.
#            +-- br0 (in switch)
#   web    --'
#
#   namespace  interface     addresses    default route
#   client     client-veth0  10.0.0.1/24  -
#   web        web-veth0     10.0.0.2/24  -
#   switch     br0           -            -
#
# Compiled by nscompile 0.1.0 from:
#
#   lab services                                  # a web server in one node, fetched by its name from another
#   hosts                                         # every node knows the others by name
#   bridge br0 in switch net 10.0.0.0/24
#   node client on br0
#   node web on br0 {
#       # Started last of all, in the lab's folder; what it says is in /run/nscompile/services/web-1.log.
#       run "echo 'hello from web' >index.html; busybox httpd -f -v -p 80"
#   }
#   # Once it is up:  ip netns exec client busybox wget -q -O - http://web/

set -eu

usage() {
    cat <<'end'
usage: sh up.sh [-n | --dry-run] [-v | --verbose] [-h | --help]

Builds the lab services, as root; sh down.sh removes it.

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
lab=services
labs=/run/nscompile
state=$labs/$lab # which script built the lab, what it found on the host, and the marks of its namespaces
build=7e4f26cb2221
namespaces="client web switch"
interfaces="client-veth0 client-br0 web-veth0 web-br0"
passing="client-veth0 client-br0 web-veth0 web-br0" # on the host only until they are moved
files="/etc/netns/client/hosts /etc/netns/web/hosts"

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
    for name in $files; do ! has_file "$name" || "$@" "file $name"; done
}

# The lab's files are links into its folder; whatever else stands in their place is somebody else's.
is_link() { case $(readlink "$1") in "$state"/*) ;; *) return 1 ;; esac; }
# A link of the lab's that leads nowhere is left of one which a reboot has ended, and counts for nothing.
has_file() { [ -e "$1" ] || { [ -L "$1" ] && ! is_link "$1"; }; }
# Removes the links that are left of a lab which a reboot has ended, and the folders that nothing else is in.
sweep() {
    for file in $files; do
        if is_link "$file"; then rm "$file" && rmdir "${file%/*}" /etc/netns 2>/dev/null || :; fi
    done
}

# Waits until no program is on its way: what comes from the folder that they start in is in a namespace, or has ended.
arrive() {
    folder=$(stat -c %d:%i "$state/work" 2>/dev/null) || return 0
    outside=$(stat -L -c %i /proc/self/ns/net)
    for pause in 0.1 0.1 0.2 0.2 0.4 1 1 1 1; do
        [ -n "$(on_its_way)" ] || return 0
        sleep $pause
    done
}
on_its_way() {
    stat -L -c '%d:%i %n' /proc/[0-9]*/cwd 2>/dev/null | while read -r cwd path; do
        [ "$cwd" != "$folder" ] || stat -L -c %i "${path%cwd}ns/net" 2>/dev/null
    done | grep -x "$outside"
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
    files=$(for file in $files; do ! is_link "$file" || echo "$file"; done)
    [ -e "$state/namespaces" ] || arrive
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
    # The folders that were not there before, if nobody has put anything into them.
    [ ! -e "$state/folders" ] || xargs rmdir <"$state/folders" 2>/dev/null
    rm -rf "$state/work"
    rm -f "$state"/*
    rmdir "$state"
}

refused=
refuse() { say "$*" && refused=yes; }


# Lists every reason not to begin, before anything is changed.
preflight() {
    for tool in ip setsid stat; do
        command -v "$tool" >/dev/null || refuse "$tool is not installed"
    done
    case $(ip -V 2>&1) in *iproute2*) ;; *) refuse "the ip on this host is not that of iproute2" ;; esac
    if ! may_change_networks; then
        case $(id -u) in
            0) refuse "root lacks CAP_NET_ADMIN or CAP_SYS_ADMIN here, as in most containers" ;;
            *) refuse "this needs root: sudo sh $me" ;;
        esac
    fi
    [ -e /etc/hosts ] || refuse "this host has no /etc/hosts, which a node's own is mounted over"
    [ -w /etc/netns ] || [ -w /etc ] || refuse "nothing can be written to /etc/netns, where a node's own files stand"
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
    sweep
    for file in $files /etc/netns/; do
        if [ ! -e "${file%/*}" ] || grep -qsxF "${file%/*}" "$labs"/*/folders; then
            echo "${file%/*}" >>"$state/folders"
        fi
    done
}

# Last things first. What is gone already is no error; what counts is what is left.
undo() {
    # Names
    is_link /etc/netns/web/hosts && rm /etc/netns/web/hosts
    is_link /etc/netns/client/hosts && rm /etc/netns/client/hosts
    # Namespaces
    delete_ours
}

# The one way out, whatever ends this script: until the lab is whole, everything is taken back.
finish() {
    status=$?
    trap '' HUP INT PIPE QUIT TERM
    trap - EXIT
    set +ev
    cd / # what is in the folder of programs is taken for one
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
    cd /
    arrive
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
    exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- # nor may a program hold open what this script was given
    [ $mode != verbose ] || set -v
fi

# ---- 1. Namespaces ----
# each namespace is a network stack of its own: interfaces, addresses, routes and rules
ip netns add client
ip netns add web
ip netns add switch

# ---- 2. Veth pairs ----
# a veth pair is a cable: what goes in at one end comes out at the other
ip link add client-veth0 type veth peer name client-br0
ip link add web-veth0 type veth peer name web-br0

# ---- 3. Into their namespaces ----
# new interfaces stand on the host; each end goes to the namespace it is for
ip link set client-veth0 netns client
ip link set web-veth0 netns web
ip link set client-br0 netns switch
ip link set web-br0 netns switch

# ---- 4. Up ----
# a new namespace has its lo down, and could not even reach its own addresses
ip netns exec client ip link set lo up
ip netns exec web ip link set lo up
ip netns exec switch ip link set lo up

# an interface is made down
ip netns exec client ip link set client-veth0 up
ip netns exec web ip link set web-veth0 up

# the other ends, at the bridges
ip netns exec switch ip link set client-br0 up
ip netns exec switch ip link set web-br0 up

# ---- 5. Addresses ----
# with an address comes the route to its prefix
ip netns exec client ip address add 10.0.0.1/24 dev client-veth0
ip netns exec web ip address add 10.0.0.2/24 dev web-veth0

# ---- 6. Bridges ----
# a bridge is a switch: it passes frames between its ports
ip netns exec switch ip link add dev br0 type bridge
ip netns exec switch ip link set br0 up

# ---- 7. Ports ----
# plug the ends into their bridge
ip netns exec switch ip link set client-br0 master br0
ip netns exec switch ip link set web-br0 master br0

# ---- 8. Names ----
# who looks up a name need not be root, and must be able to read these files
umask 022

# the names of the nodes
cat >/run/nscompile/services/hosts <<'end'
127.0.0.1 localhost
::1 localhost ip6-localhost
10.0.0.1 client
10.0.0.2 web
end

# ip netns exec NODE mounts what is in /etc/netns/NODE over the file of that name in /etc
mkdir -p /etc/netns/client
ln -s /run/nscompile/services/hosts /etc/netns/client/hosts
mkdir -p /etc/netns/web
ln -s /run/nscompile/services/hosts /etc/netns/web/hosts

# ---- 9. Programs ----
# programs start in a folder of the lab's own
mkdir /run/nscompile/services/work
cd /run/nscompile/services/work

# each in a session of its own, and with no shell to wait for it; what it says is kept while the lab is up
exec setsid ip netns exec web sh -c "echo 'hello from web' >index.html; busybox httpd -f -v -p 80" >/run/nscompile/services/web-1.log 2>&1 &

whole
