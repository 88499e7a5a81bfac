/* The floor: the least that a program does to make N namespaces behind bridges, one netlink message at a time.
 *
 *   cc -O2 -o floor floor.c && unshare -nm sh -c 'mount -t tmpfs t /run && ./floor N PER'
 *
 * Makes N named namespaces, PER on each bridge, each with a veth pair (far end on the bridge, up), lo and eth0 up, one
 * address and a default route; then removes it all, bridges first, which was measured to be the quickest order. Prints
 * "up S down S", in seconds: down ends when the kernel's own clean-up has taken the last device. It sends each message
 * by itself and waits for its answer, in the order that a person would type, and writes no settings: IPv6 stays on, as
 * the kernel has it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
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
#include <time.h>
#include <unistd.h>

static const int group = 77;                  /* of the bridges, so that one message removes them */

struct msg { struct nlmsghdr head; char body[1024]; };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void *tail(struct msg *m) { return (char *)m + NLMSG_ALIGN(m->head.nlmsg_len); }

static void *begin(struct msg *m, int type, int flags, int size) {
    memset(m, 0, sizeof *m);
    m->head.nlmsg_len = NLMSG_LENGTH(size);
    m->head.nlmsg_type = type;
    m->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    return NLMSG_DATA(&m->head);
}

static struct rtattr *put(struct msg *m, int type, const void *data, int size) {
    struct rtattr *a = tail(m);
    a->rta_type = type;
    a->rta_len = RTA_LENGTH(size);
    if (size) memcpy(RTA_DATA(a), data, size);
    m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
    return a;
}

static void end(struct msg *m, struct rtattr *a) { a->rta_len = (char *)tail(m) - (char *)a; }

static int netlink(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct sockaddr_nl local = {.nl_family = AF_NETLINK};
    bind(fd, (void *)&local, sizeof local);
    return fd;
}

static void ask(int fd, struct msg *m, const char *what) {
    static char answer[65536];
    send(fd, m, m->head.nlmsg_len, 0);
    recv(fd, answer, sizeof answer, 0);
    struct nlmsghdr *head = (void *)answer;
    struct nlmsgerr *result = NLMSG_DATA(head);
    if (head->nlmsg_type == NLMSG_ERROR && result->error) {
        fprintf(stderr, "floor: %s: %s\n", what, strerror(-result->error));
        exit(1);
    }
}

static int bridge(int fd, const char *name) {
    struct msg m;
    struct ifinfomsg *link = begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link);
    link->ifi_flags = link->ifi_change = IFF_UP;
    put(&m, IFLA_IFNAME, name, strlen(name) + 1);
    put(&m, IFLA_GROUP, &group, 4);
    struct rtattr *info = put(&m, IFLA_LINKINFO, 0, 0);
    put(&m, IFLA_INFO_KIND, "bridge", 6);
    end(&m, info);
    ask(fd, &m, name);
    return if_nametoindex(name);
}

static void veth(int fd, const char *name, int master, int peer_ns) {
    struct msg m;
    struct ifinfomsg *link = begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link);
    link->ifi_flags = link->ifi_change = IFF_UP;
    put(&m, IFLA_IFNAME, name, strlen(name) + 1);
    put(&m, IFLA_MASTER, &master, 4);
    struct rtattr *info = put(&m, IFLA_LINKINFO, 0, 0);
    put(&m, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = put(&m, IFLA_INFO_DATA, 0, 0);
    struct ifinfomsg far = {0};
    struct rtattr *peer = put(&m, VETH_INFO_PEER, &far, sizeof far);
    put(&m, IFLA_IFNAME, "eth0", 5);
    put(&m, IFLA_NET_NS_FD, &peer_ns, 4);
    end(&m, peer);
    end(&m, data);
    end(&m, info);
    ask(fd, &m, name);
}

static void unlink_bridges(int fd) {          /* in one message: the kernel then waits for its readers once, not per bridge */
    struct msg m;
    begin(&m, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    put(&m, IFLA_GROUP, &group, 4);
    ask(fd, &m, "bridges");
}

static void inside(int number) {
    int fd = netlink(), up[2] = {1, if_nametoindex("eth0")};
    struct msg m;
    for (int i = 0; i < 2; i++) {
        struct ifinfomsg *link = begin(&m, RTM_NEWLINK, 0, sizeof *link);
        link->ifi_index = up[i];
        link->ifi_flags = link->ifi_change = IFF_UP;
        ask(fd, &m, "up");
    }
    struct ifaddrmsg *addr = begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *addr);
    addr->ifa_family = AF_INET;
    addr->ifa_prefixlen = 16;
    addr->ifa_index = up[1];
    unsigned local = htonl(0x0a400002u + number), gateway = htonl(0x0a400001u);
    put(&m, IFA_LOCAL, &local, 4);
    put(&m, IFA_ADDRESS, &local, 4);
    ask(fd, &m, "address");
    struct rtmsg *route = begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *route);
    route->rtm_family = AF_INET;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_type = RTN_UNICAST;
    put(&m, RTA_GATEWAY, &gateway, 4);
    ask(fd, &m, "route");
    close(fd);
}

int main(int argc, char **argv) {
    int nodes = argc > 1 ? atoi(argv[1]) : 100, per = argc > 2 ? atoi(argv[2]) : 50, master = 0;
    int home = open("/proc/self/ns/net", O_RDONLY), fd = netlink();
    char name[32], path[64];
    mkdir("/run/netns", 0755);
    double start = now();
    for (int i = 0; i < nodes; i++) {
        if (i % per == 0) {
            setns(home, CLONE_NEWNET);
            snprintf(name, sizeof name, "br%d", i / per);
            master = bridge(fd, name);
        }
        snprintf(path, sizeof path, "/run/netns/f%d", i);
        close(open(path, O_CREAT | O_RDONLY, 0));
        unshare(CLONE_NEWNET);
        if (mount("/proc/self/ns/net", path, "none", MS_BIND, 0)) { perror("floor: mount"); return 1; }
        int ns = open(path, O_RDONLY);
        snprintf(name, sizeof name, "h%d", i);
        veth(fd, name, master, ns);
        inside(i);
        close(ns);
    }
    double up = now() - start;
    setns(home, CLONE_NEWNET);
    start = now();
    unlink_bridges(fd);
    for (int i = 0; i < nodes; i++) {
        snprintf(path, sizeof path, "/run/netns/f%d", i);
        umount2(path, MNT_DETACH);
        unlink(path);
    }
    for (int i = 0; i < nodes; i++)           /* gone when the kernel's clean-up worker has taken the devices too */
        while (snprintf(name, sizeof name, "h%d", i), if_nametoindex(name)) usleep(1000);
    printf("up %.4f down %.4f\n", up, now() - start);
    return 0;
}
