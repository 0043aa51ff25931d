/*
 * The guard: what the kernel may send to an ISP.
 *
 * On the egress of every ISP port. AF_XDP transmit does not pass here, so this costs the packet
 * path nothing. A deny list on the source: with the gateway away a renumbered WAN still works, but no
 * packet leaves with an inside address or another ISP's, and nothing is forwarded past the
 * workers but a routed DMZ of this ISP.
 */
#include "prelude.h"

/* The same values as TC_ACT_UNSPEC and TC_ACT_SHOT. */
enum { NEXT = -1, DROP = 2 };

struct __sk_buff {
	u32 len;
	u32 pkt_type;
	u32 mark;
	u32 queue_mapping;
	u32 protocol;
	u32 vlan_present;
	u32 vlan_tci;
	u32 vlan_proto;
	u32 priority;
	u32 ingress_ifindex;
};

/* The VLAN that the device is; 0: none. */
const volatile u32 own_vlan = 0;

/* Offsets in the counts, as in counts.rs. */
enum { PASSED, FORWARDED, FOREIGN_SOURCE, COUNTS = 4 };

enum { ACTION_OWN_ONLY = 1, ACTION_FORWARD = 2, ACTION_DENY = 3 };

struct source_key {
	u32 prefix_len;
	struct address source;
};

struct {
	UINT(type, MAP_LPM_TRIE);
	UINT(max_entries, 8192);
	UINT(map_flags, F_NO_PREALLOC);
	TYPE(key, struct source_key);
	TYPE(value, u32);
} sources SEC(".maps");

/* Pinned: goes on over restarts. */
struct {
	UINT(type, MAP_PERCPU_ARRAY);
	UINT(max_entries, COUNTS);
	TYPE(key, u32);
	TYPE(value, u64);
} counts SEC(".maps");

INLINE int verdict(u32 what)
{
	u64 *value = map_lookup(&counts, &what);
	if (value)
		++*value;
	return what == PASSED ? NEXT : DROP;
}

/*
 * Whether a frame with this tag is of another link than the guard's. VLAN 0 is only a priority, and
 * a VLAN's own device tags its frames before they come here if it was told not to reorder headers.
 */
INLINE int elsewhere(u32 tci)
{
	u32 vlan = tci & 0xfff;
	return vlan && vlan != own_vlan;
}

SEC("classifier") int guard(struct __sk_buff *skb)
{
	struct source_key key = { .prefix_len = 128 };
	int forwarded = skb->ingress_ifindex != 0;
	u32 start = sizeof(struct ethernet), type = skb->protocol, *action;
	u16 tag[2];

	if (skb->vlan_present && elsewhere(skb->vlan_tci))
		return NEXT;
	if (type == ETH_8021Q) {
		if (skb_load_bytes(skb, start, tag, sizeof(tag)) || elsewhere(HTONS(tag[0])))
			return NEXT;
		type = tag[1];
		start += sizeof(tag);
	}
	if (type != ETH_IPV6)
		return NEXT;
	if (skb_load_bytes(skb, start + __builtin_offsetof(struct ipv6, source), &key.source, 16))
		return verdict(FOREIGN_SOURCE);
	action = map_lookup(&sources, &key);
	if (forwarded)
		return verdict(action && *action == ACTION_FORWARD ? PASSED : FORWARDED);
	return verdict(action && *action == ACTION_DENY ? FOREIGN_SOURCE : PASSED);
}

char _license[] SEC("license") = "Dual MIT/GPL";
