// The star of tests/bench/star.py by the shortest way there is: one process that speaks netlink to the kernel, no shell,
// no `ip`. It is what the scripts are measured against.
//
//   floor up N      bridge br0 in the namespace "bridge", first, as a plain program would; then N nodes, each a namespace
//                   in /run/netns as `ip netns add` makes it, with a veth pair to the bridge's of which each end is made
//                   where it belongs, lo and its end up, an address and a default route; then the other ends into br0
//                   and up; last the uplink, and forwarding
//   floor down N    the uplink, then each namespace
//
// The ports come after the nodes because a port that is up is flooded with what IPv6 says on all others: port by port
// with the nodes, 1000 of them take more than twice as long.
//
// It keeps none of the promises of up.sh: it checks nothing beforehand, and where something fails it says so and ends.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/run/netns"
#define GATEWAY "10.1.255.254"

// Numbers of interfaces are ours to choose in a namespace of ours: nothing is looked up.
enum { LOOPBACK = 1, NODE_END = 1000, BRIDGE = 1000, FIRST_PORT = 1000 };

struct request {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
    };
    char attributes[512];
};

static struct request begin(int type, int flags, size_t body) {
    return (struct request){
        .head = {.nlmsg_len = NLMSG_LENGTH(body), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags}};
}

static struct rtattr *put(struct request *request, int type, const void *value, size_t length) {
    struct rtattr *attribute = (void *)((char *)request + NLMSG_ALIGN(request->head.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(length);
    if (length) memcpy(RTA_DATA(attribute), value, length);
    request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}
static void put_text(struct request *request, int type, const char *text) {
    put(request, type, text, strlen(text) + 1);
}
static void put_number(struct request *request, int type, int number) {
    put(request, type, &number, sizeof number);
}
static void put_address(struct request *request, int type, const char *text) {
    struct in_addr address;
    if (inet_pton(AF_INET, text, &address) != 1) errx(1, "%s is no address", text);
    put(request, type, &address, sizeof address);
}
static void close_nest(struct request *request, struct rtattr *nest) {
    nest->rta_len = (char *)request + request->head.nlmsg_len - (char *)nest;
}

static void ask(int kernel, struct request *request, const char *what) {
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[1024];
    } answer;
    if (send(kernel, request, request->head.nlmsg_len, 0) < 0) err(1, "%s", what);
    if (recv(kernel, &answer, sizeof answer, 0) < 0) err(1, "%s", what);
    if (answer.error.error) errno = -answer.error.error, err(1, "%s", what);
}

static int open_kernel(void) {
    int kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (kernel < 0) err(1, "netlink");
    return kernel;
}

static void add_bridge(int kernel, const char *name, int index) {
    struct request request = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof request.link);
    request.link.ifi_index = index;
    put_text(&request, IFLA_IFNAME, name);
    struct rtattr *info = put(&request, IFLA_LINKINFO, NULL, 0);
    put_text(&request, IFLA_INFO_KIND, "bridge");
    close_nest(&request, info);
    ask(kernel, &request, name);
}

// One end in the namespace of `kernel`, the other in that of `peer_namespace`.
static void add_veth(int kernel, const char *name, int index, const char *peer, int peer_index, int peer_namespace) {
    struct request request = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof request.link);
    request.link.ifi_index = index;
    put_text(&request, IFLA_IFNAME, name);
    struct rtattr *info = put(&request, IFLA_LINKINFO, NULL, 0);
    put_text(&request, IFLA_INFO_KIND, "veth");
    struct rtattr *data = put(&request, IFLA_INFO_DATA, NULL, 0);
    struct ifinfomsg other = {.ifi_index = peer_index};
    struct rtattr *end = put(&request, VETH_INFO_PEER, &other, sizeof other);
    put_text(&request, IFLA_IFNAME, peer);
    put_number(&request, IFLA_NET_NS_FD, peer_namespace);
    close_nest(&request, end);
    close_nest(&request, data);
    close_nest(&request, info);
    ask(kernel, &request, name);
}

// Up, and a port of a bridge unless `master` is 0.
static void set_up(int kernel, int index, int master) {
    struct request request = begin(RTM_NEWLINK, 0, sizeof request.link);
    request.link.ifi_index = index;
    request.link.ifi_flags = request.link.ifi_change = IFF_UP;
    if (master) put_number(&request, IFLA_MASTER, master);
    ask(kernel, &request, "up");
}

static void add_address(int kernel, int index, const char *address) {
    struct request request = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof request.address);
    request.address.ifa_family = AF_INET;
    request.address.ifa_prefixlen = 16;
    request.address.ifa_index = index;
    put_address(&request, IFA_LOCAL, address);
    put_address(&request, IFA_ADDRESS, address);
    ask(kernel, &request, address);
}

static void add_default_route(int kernel) {
    struct request request = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof request.route);
    request.route = (struct rtmsg){.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
                                   .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
    put_address(&request, RTA_GATEWAY, GATEWAY);
    ask(kernel, &request, "default route");
}

static void delete_link(int kernel, const char *name) {
    struct request request = begin(RTM_DELLINK, 0, sizeof request.link);
    put_text(&request, IFLA_IFNAME, name);
    ask(kernel, &request, name);
}

// What `ip` does with the first namespace: mounts in the folder are to be seen everywhere.
static void prepare_folder(void) {
    if (mkdir(FOLDER, 0755) && errno != EEXIST) err(1, FOLDER);
    if (!mount("", FOLDER, "none", MS_SHARED | MS_REC, NULL)) return;
    if (mount(FOLDER, FOLDER, "none", MS_BIND | MS_REC, NULL)) err(1, FOLDER);
    if (mount("", FOLDER, "none", MS_SHARED | MS_REC, NULL)) err(1, FOLDER);
}

static const char *path_of(const char *name) {
    static char path[64];
    snprintf(path, sizeof path, FOLDER "/%s", name);
    return path;
}

// Goes into a new namespace; the answer speaks to the kernel there.
static int add_namespace(const char *name) {
    int file = open(path_of(name), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    if (file < 0) err(1, "%s", name);
    close(file);
    if (unshare(CLONE_NEWNET)) err(1, "%s", name);
    if (mount("/proc/self/ns/net", path_of(name), "none", MS_BIND, NULL)) err(1, "%s", name);
    int kernel = open_kernel();
    set_up(kernel, LOOPBACK, 0);
    return kernel;
}

static void delete_namespace(const char *name) {
    if (umount2(path_of(name), MNT_DETACH)) err(1, "%s", name);
    if (unlink(path_of(name))) err(1, "%s", name);
}

static void forward(const char *value) {
    int file = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, value, strlen(value)) < 0) err(1, "ip_forward");
    close(file);
}

static int here(void) {
    int namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (namespace < 0) err(1, "/proc/self/ns/net");
    return namespace;
}

static void add_node(int number, int bridge_namespace) {
    char name[32], end[32], port[32], address[32];
    snprintf(name, sizeof name, "n%d", number);
    snprintf(end, sizeof end, "n%d-veth0", number);
    snprintf(port, sizeof port, "n%d-br0", number);
    snprintf(address, sizeof address, "10.1.%d.%d", number / 250, number % 250 + 1);
    int kernel = add_namespace(name);
    add_veth(kernel, end, NODE_END, port, FIRST_PORT + number, bridge_namespace);
    set_up(kernel, NODE_END, 0);
    add_address(kernel, NODE_END, address);
    add_default_route(kernel);
    close(kernel);
}

static void up(int nodes) {
    int host = here();
    prepare_folder();
    int bridge_kernel = add_namespace("bridge");
    int bridge_namespace = here();
    add_bridge(bridge_kernel, "br0", BRIDGE);
    set_up(bridge_kernel, BRIDGE, 0);
    for (int number = 1; number <= nodes; number++) add_node(number, bridge_namespace);
    for (int number = 1; number <= nodes; number++) set_up(bridge_kernel, FIRST_PORT + number, BRIDGE);
    if (setns(host, CLONE_NEWNET)) err(1, "back to the host");
    int kernel = open_kernel();
    add_veth(kernel, "rt-veth", 0, "rt-br0", 0, bridge_namespace);
    int uplink = if_nametoindex("rt-veth");
    set_up(kernel, uplink, 0);
    add_address(kernel, uplink, GATEWAY);
    if (setns(bridge_namespace, CLONE_NEWNET)) err(1, "into the bridge's namespace");
    set_up(bridge_kernel, if_nametoindex("rt-br0"), BRIDGE);
    if (setns(host, CLONE_NEWNET)) err(1, "back to the host");
    forward("1");
}

static void down(int nodes) {
    forward("0");
    delete_link(open_kernel(), "rt-veth");
    delete_namespace("bridge");
    for (int number = 1; number <= nodes; number++) {
        char name[32];
        snprintf(name, sizeof name, "n%d", number);
        delete_namespace(name);
    }
}

int main(int count, char **words) {
    int nodes = count == 3 ? atoi(words[2]) : 0;
    if (nodes > 0 && !strcmp(words[1], "up")) up(nodes);
    else if (nodes > 0 && !strcmp(words[1], "down")) down(nodes);
    else errx(2, "usage: floor up|down NODES");
}
