/*
 * Flow memory as BPF programs see it: the hash of src/hash.rs and the hot word of
 * src/flow/word.rs. tests/lab_flows_pin/ runs both forms against each other.
 *
 *	63            26 25     18 17  14 13     0
 *	 fingerprint 38 | mapping | state | tick      0: empty
 *
 * A hot word is changed by compare-and-swap on the whole word and in no other way.
 */
#pragma once
#include "prelude.h"

enum {
	FLOW_SLOTS = 8, /* hot words of a line */
	FLOW_COLD_WORDS = 6,
	FLOW_TICK_BITS = 14,
	FLOW_STATE_SHIFT = 14,
	FLOW_MAPPING_SHIFT = 18,
	FLOW_FINGERPRINT_SHIFT = 26,
	FLOW_TICK_NS_SHIFT = 32, /* of CLOCK_MONOTONIC */
	FLOW_HASH_KEYS = 11,
	FLOW_HASH_WORDS = 5,
};

enum {
	FLOW_EMPTY,
	FLOW_CLAIMED,
	FLOW_TCP_OUTBOUND,
	FLOW_TCP_INBOUND,
	FLOW_TCP_ESTABLISHED,
	FLOW_TCP_CLOSING,
	FLOW_UDP_OUTBOUND,
	FLOW_UDP_INBOUND,
	FLOW_UDP_ESTABLISHED,
	FLOW_ICMPV6_OUTBOUND,
	FLOW_ICMPV6_INBOUND,
	FLOW_ICMPV6_ESTABLISHED,
	FLOW_OTHER_OUTBOUND,
	FLOW_OTHER_INBOUND,
	FLOW_OTHER_ESTABLISHED,
	FLOW_COMPANION,
};

struct flow_line {
	u64 words[FLOW_SLOTS];
};

/* As many lines as the hash's lower bits name, a power of two; set while it is loaded. */
struct {
	UINT(type, MAP_ARRAY);
	UINT(max_entries, 1);
	UINT(map_flags, F_MMAPABLE);
	TYPE(key, u32);
	TYPE(value, struct flow_line);
} flows_hot SEC(".maps");

typedef u64 __attribute__((may_alias)) aliased_u64;

/* What names a flow, in the host's byte order: the input of the hash. */
INLINE void flow_name(u64 *words, const struct address *internal, const struct address *remote, u8 protocol,
		      u16 internal_port, u16 remote_port)
{
	const aliased_u64 *inside = (const void *)internal, *outside = (const void *)remote;
	words[0] = __builtin_bswap64(inside[0]);
	words[1] = __builtin_bswap64(inside[1]);
	words[2] = __builtin_bswap64(outside[0]);
	words[3] = __builtin_bswap64(outside[1]);
	words[4] = (u64)protocol << 32 | (u64)internal_port << 16 | remote_port;
}

/* Multilinear-HM with a bijective mixer. */
INLINE u64 flow_hash(const volatile u64 *key, const u64 *words)
{
	u64 sum = key[0];
	int n;
#pragma unroll
	for (n = 0; n < FLOW_HASH_WORDS; n++)
		sum += ((words[n] >> 32) + key[1 + 2 * n]) * ((words[n] & 0xffffffff) + key[2 + 2 * n]);
	sum ^= sum >> 32;
	sum *= 0xd6e8feb86659fd93ULL;
	sum ^= sum >> 32;
	sum *= 0xd6e8feb86659fd93ULL;
	return sum ^ sum >> 32;
}
