/* The maps of flow memory. No program: control creates, pins and maps them (flows.rs). */
#include "flow.h"

/* What a look-up does not need of the records of a line: src/flow/cold.rs. */
struct cold_line {
	u64 words[FLOW_SLOTS][FLOW_COLD_WORDS];
};

struct {
	UINT(type, MAP_ARRAY);
	UINT(max_entries, 1);
	UINT(map_flags, F_MMAPABLE);
	TYPE(key, u32);
	TYPE(value, struct cold_line);
} flows_cold SEC(".maps");

/* What the other two are good for: the words are in flows.rs. */
struct {
	UINT(type, MAP_ARRAY);
	UINT(max_entries, 1);
	UINT(map_flags, F_MMAPABLE);
	TYPE(key, u32);
	TYPE(value, struct flow_line);
} flows_header SEC(".maps");

char _license[] SEC("license") = "Dual MIT/GPL";
