/* Test programs on flow memory. A packet is 16 octets that say nothing, then records. */
#include "flow.h"

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

struct request {
	struct address internal, remote;
	u8 protocol, ignored;
	u16 internal_port, remote_port; /* in the host's byte order */
	u16 tick;
	u64 answer;
};

enum { XDP_ABORTED, XDP_DROP, HEADER = 16, REQUESTS = 64 };

const volatile u64 hash_key[FLOW_HASH_KEYS] = {};
const volatile u32 line_mask = 0;

INLINE u64 hash_of(const struct request *request)
{
	u64 words[FLOW_HASH_WORDS];
	flow_name(words, &request->internal, &request->remote, request->protocol, request->internal_port,
		  request->remote_port);
	return flow_hash(hash_key, words);
}

/* Answers with the hash. */
SEC("xdp") int hash(struct xdp_md *ctx)
{
	struct request *request = (void *)(long)ctx->data + HEADER;
	int n;
	for (n = 0; n < REQUESTS; n++, request++) {
		if ((void *)(request + 1) > (void *)(long)ctx->data_end)
			break;
		request->answer = hash_of(request);
	}
	return XDP_DROP;
}

/* The word of this flow, which is no claim. */
INLINE u64 *find(u64 hash)
{
	u32 number = hash & line_mask;
	struct flow_line *line = map_lookup(&flows_hot, &number);
	int n;
	if (!line)
		return 0;
#pragma unroll
	for (n = 0; n < FLOW_SLOTS; n++) {
		u64 word = *(volatile u64 *)&line->words[n];
		if (word && !((word ^ hash) >> FLOW_FINGERPRINT_SHIFT) &&
		    (word >> FLOW_STATE_SHIFT & 15) != FLOW_CLAIMED)
			return &line->words[n];
	}
	return 0;
}

/* Moves the tick of each flow to that of its request. Answers with the mapping, or ~0. */
SEC("xdp") int refresh(struct xdp_md *ctx)
{
	struct request *request = (void *)(long)ctx->data + HEADER;
	int n;
	for (n = 0; n < REQUESTS; n++, request++) {
		u64 *cell, word;
		if ((void *)(request + 1) > (void *)(long)ctx->data_end)
			break;
		request->answer = ~0ULL;
		cell = find(hash_of(request));
		if (!cell)
			continue;
		word = *(volatile u64 *)cell;
		if (__sync_val_compare_and_swap(cell, word, word >> FLOW_TICK_BITS << FLOW_TICK_BITS | request->tick) == word)
			request->answer = word >> FLOW_MAPPING_SHIFT & 0xff;
	}
	return XDP_DROP;
}

/* Adds one to the mapping of each flow. Adds to the answers how often it was not too late. */
SEC("xdp") int count(struct xdp_md *ctx)
{
	const u64 one = 1ull << FLOW_MAPPING_SHIFT, mapping = 0xff * one;
	struct request *request = (void *)(long)ctx->data + HEADER;
	int n;
	for (n = 0; n < REQUESTS; n++, request++) {
		u64 *cell, word;
		if ((void *)(request + 1) > (void *)(long)ctx->data_end)
			break;
		cell = find(hash_of(request));
		if (!cell)
			continue;
		word = *(volatile u64 *)cell;
		if (__sync_val_compare_and_swap(cell, word, (word & ~mapping) | ((word + one) & mapping)) == word)
			request->answer++;
	}
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
