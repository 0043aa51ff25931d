/* Test program: frames of the local experimental EtherType go to the AF_XDP socket of their
 * queue; those whose first payload octet is 'S' with an arrival stamp. Everything else passes. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

enum { XSKMAP = 17, XDP_DROP = 1, XDP_PASS = 2 };

struct {
	int (*type)[XSKMAP];
	int (*max_entries)[64];
	u32 *key;
	u32 *value;
} XSKS __attribute__((section(".maps"), used));

static u64 (*ktime_get_ns)(void) = (void *)5;
static long (*redirect_map)(void *, u64, u64) = (void *)51;
static long (*adjust_meta)(struct xdp_md *, int) = (void *)54;

__attribute__((section("xdp"), used)) int redirect(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(u64)ctx->data;
	u8 *end = (u8 *)(u64)ctx->data_end;

	if (data + 15 > end || data[12] != 0x88 || data[13] != 0xb5)
		return XDP_PASS;
	if (data[14] == 'S') {
		u64 *meta;

		if (adjust_meta(ctx, -16))
			return XDP_DROP;
		meta = (u64 *)(u64)ctx->data_meta;
		if ((u8 *)(meta + 2) > (u8 *)(u64)ctx->data)
			return XDP_DROP;
		meta[0] = STAMP_MAGIC;
		meta[1] = ktime_get_ns();
	}
	return redirect_map(&XSKS, ctx->rx_queue_index, XDP_DROP);
}
