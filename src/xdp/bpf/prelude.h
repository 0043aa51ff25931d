/* The little of the kernel's headers that the programs need, so that nothing has to be installed. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/* Members of a BTF map definition. */
#define UINT(name, value) int (*name)[value]
#define TYPE(name, type) typeof(type) *name

enum {
	MAP_HASH = 1,
	MAP_ARRAY = 2,
	MAP_PERCPU_ARRAY = 6,
	MAP_LPM_TRIE = 11,
	MAP_XSKMAP = 17,
};

enum { F_NO_PREALLOC = 1, F_MMAPABLE = 1 << 10 };

static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static u64 (*const ktime_get_ns)(void) = (void *)5;
static long (*const skb_load_bytes)(const void *skb, u32 offset, void *to, u32 len) = (void *)26;
static long (*const xdp_adjust_head)(void *ctx, int delta) = (void *)44;
static long (*const redirect_map)(void *map, u64 key, u64 flags) = (void *)51;
static long (*const xdp_adjust_meta)(void *ctx, int delta) = (void *)54;

#define HTONS(x) ((u16)((((x) & 0xff) << 8) | (((x) >> 8) & 0xff)))

#define ETH_IPV6 HTONS(0x86dd)
#define ETH_8021Q HTONS(0x8100)

struct ethernet {
	u8 destination[6];
	u8 source[6];
	u16 type;
} __attribute__((packed));

struct address {
	u8 octets[16];
};

struct ipv6 {
	u32 version_class_label;
	u16 payload_length;
	u8 next_header;
	u8 hop_limit;
	struct address source;
	struct address destination;
} __attribute__((packed));

/* fe80::/10 and ff00::/8 never leave their link. */
INLINE int is_link_local(const struct address *a)
{
	return a->octets[0] == 0xfe && (a->octets[1] & 0xc0) == 0x80;
}

INLINE int is_multicast(const struct address *a)
{
	return a->octets[0] == 0xff;
}
