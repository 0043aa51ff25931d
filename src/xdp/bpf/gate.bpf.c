/*
 * The gate: what of a port's traffic the workers get, and what stays the kernel's.
 *
 * One instance per port, with maps of its own that control fills before the program is attached.
 * Total: every frame gets a verdict, and every verdict is counted once, at the frame's edge.
 * docs/gate.md has the table of verdicts and the layout of the maps.
 */
#include "prelude.h"

enum { XDP_DROP = 1, XDP_PASS = 2 };

struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
};

/* Longest frame that a chunk of the packet buffer takes. */
const volatile u32 max_frame = 1792;
/* One redirected frame in stamp_mask + 1 carries an arrival stamp; ~0: none does. */
const volatile u32 stamp_mask = 63;
/* The edge at which frames are counted that belong to no edge of ours. */
const volatile u32 default_edge = 0;
/* Whether the workers are told the edge of a frame: where the port has several. */
const volatile u32 mark_edge = 0;

/* Offsets in the counts of one edge, as in counts.rs. */
enum { PASSED, REDIRECTED, TRANSIT, OWN_ELSEWHERE, NO_SOCKET, OVERSIZE, COUNTS = 8 };

enum { UNTAGGED = 4096 };
enum { ROLE_LAN, ROLE_ISP };
enum { ACTION_PASS = 1, ACTION_STEER = 2, ACTION_PROXY = 3 };
enum { ICMPV6 = 58, NEIGHBOR_SOLICITATION = 135 };

struct edge {
	u32 id;
	u32 role;
};

struct mac_key {
	u8 mac[6];
	u16 edge;
};

struct route_key {
	u32 prefix_len; /* 32 bits of edge and up to 128 of address */
	u32 edge;
	struct address destination;
};

/* The tables have room for twice what limits.rs allows: what is new comes before what is old goes. */
struct {
	UINT(type, MAP_HASH);
	UINT(max_entries, 32);
	TYPE(key, u32); /* VLAN, or UNTAGGED */
	TYPE(value, struct edge);
} edges SEC(".maps");

struct {
	UINT(type, MAP_HASH);
	UINT(max_entries, 64);
	TYPE(key, struct mac_key);
	TYPE(value, u32);
} macs SEC(".maps");

/* The host's own addresses: a bit for each edge by which packets to it may arrive. */
struct {
	UINT(type, MAP_HASH);
	UINT(max_entries, 8192);
	TYPE(key, struct address);
	TYPE(value, u64);
} own SEC(".maps");

struct {
	UINT(type, MAP_LPM_TRIE);
	UINT(max_entries, 131072);
	UINT(map_flags, F_NO_PREALLOC);
	TYPE(key, struct route_key);
	TYPE(value, u32);
} routes SEC(".maps");

struct {
	UINT(type, MAP_XSKMAP);
	UINT(max_entries, 256);
	TYPE(key, u32);
	TYPE(value, u32);
} sockets SEC(".maps");

/* Pinned: goes on over restarts. */
struct {
	UINT(type, MAP_PERCPU_ARRAY);
	UINT(max_entries, 16 * COUNTS);
	TYPE(key, u32);
	TYPE(value, u64);
} counts SEC(".maps");

INLINE u64 count(u32 edge, u32 what)
{
	u32 key = edge * COUNTS + what;
	u64 *value = map_lookup(&counts, &key);
	return value ? ++*value : 0;
}

INLINE int verdict(u32 edge, u32 what)
{
	count(edge, what);
	return what == PASSED ? XDP_PASS : XDP_DROP;
}

/* Moves the MAC addresses over the tag. */
INLINE int pop_tag(struct xdp_md *ctx)
{
	struct ethernet *frame = (void *)(long)ctx->data;
	struct ethernet *popped = (void *)frame + 4;
	if ((void *)(popped + 1) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memmove(popped, frame, 12);
	return xdp_adjust_head(ctx, 4);
}

/* Puts the edge's id over the last octet of the destination MAC: see ingress.rs. */
INLINE int mark(struct xdp_md *ctx, u32 edge)
{
	struct ethernet *frame = (void *)(long)ctx->data;
	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return -1;
	frame->destination[5] = edge;
	return 0;
}

/* struct stamp: see stamp.rs. */
INLINE void stamp(struct xdp_md *ctx)
{
	u64 *meta;
	if (xdp_adjust_meta(ctx, -16))
		return;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 2) > (void *)(long)ctx->data)
		return;
	meta[0] = 0x53495857a79c3e51ULL;
	meta[1] = ktime_get_ns();
}

INLINE int redirect(struct xdp_md *ctx, u32 edge, int tagged)
{
	u32 queue = ctx->rx_queue_index;
	u64 redirected;
	if (ctx->data_end - ctx->data > max_frame + (tagged ? 4 : 0))
		return verdict(edge, OVERSIZE);
	if (!map_lookup(&sockets, &queue))
		return verdict(edge, NO_SOCKET);
	if ((tagged && pop_tag(ctx)) || (mark_edge && mark(ctx, edge)))
		return verdict(edge, OVERSIZE);
	redirected = count(edge, REDIRECTED);
	if (!(redirected & stamp_mask))
		stamp(ctx);
	return redirect_map(&sockets, queue, XDP_DROP);
}

/* One that comes from this very link (RFC 4861 7.1.1). */
INLINE int is_solicitation(const struct ipv6 *packet, const void *end)
{
	const u8 *type = (void *)(packet + 1);
	return packet->next_header == ICMPV6 && packet->hop_limit == 255 &&
	       (void *)(type + 1) <= end && *type == NEIGHBOR_SOLICITATION;
}

SEC("xdp") int gate(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethernet *frame = (void *)(long)ctx->data;
	struct ipv6 *packet = (void *)(frame + 1);
	struct mac_key mac = {};
	struct route_key route = { .prefix_len = 32 + 128 };
	struct edge *edge;
	u32 vlan = UNTAGGED, *action, id;
	int tagged = 0;
	u64 *may_arrive;
	u16 type;

	if ((void *)(frame + 1) > end)
		return verdict(default_edge, PASSED);
	type = frame->type;
	if (type == ETH_8021Q) {
		u16 *tag = (void *)(frame + 1);
		if ((void *)(tag + 2) > end)
			return verdict(default_edge, PASSED);
		/* VLAN 0 is only a priority: the kernel, too, takes such a frame as untagged. */
		vlan = (HTONS(tag[0]) & 0xfff) ?: UNTAGGED;
		type = tag[1];
		tagged = 1;
		packet = (void *)(tag + 2);
	}
	edge = map_lookup(&edges, &vlan);
	if (!edge)
		return verdict(default_edge, PASSED);
	id = edge->id;
	if (type != ETH_IPV6 || (void *)(packet + 1) > end)
		return verdict(id, PASSED);

	__builtin_memcpy(mac.mac, frame->destination, 6);
	mac.edge = id;
	if (!map_lookup(&macs, &mac))
		return verdict(id, PASSED);

	route.edge = id;
	route.destination = packet->destination;
	if (is_multicast(&route.destination) || is_link_local(&route.destination))
		return verdict(id, PASSED);
	may_arrive = map_lookup(&own, &route.destination);
	if (may_arrive)
		return verdict(id, *may_arrive >> (id & 63) & 1 ? PASSED : OWN_ELSEWHERE);

	action = map_lookup(&routes, &route);
	if (action && *action == ACTION_PASS)
		return verdict(id, PASSED);
	if (action && *action == ACTION_PROXY && is_solicitation(packet, end)) {
		/* Packet sockets see it; a group's frame is one that the kernel never forwards, nor refuses. */
		frame->destination[0] |= 1;
		return verdict(id, PASSED);
	}
	if (!action && edge->role != ROLE_LAN)
		return verdict(id, TRANSIT);
	return redirect(ctx, id, tagged);
}

char _license[] SEC("license") = "Dual MIT/GPL";
