/* What chancery probe prints: a table grouped by resource and a summary, or one JSON object. */
#ifndef CHANCERY_CLI_PROBE_REPORT_H
#define CHANCERY_CLI_PROBE_REPORT_H

#include "base/json.h"
#include "probe/probe.h"

struct probe_report {
	bool json, colour;
	const char *server;
	char group[64];               /* the one that is being printed */
	size_t counts[2][PROBE__MAX]; /* by level */
	struct buf text;              /* of the JSON */
	struct json_out out;
};

void probe_report_begin(struct probe_report *r);
void probe_report_case(struct probe_report *r, const struct probe_case *c, enum probe_result result, const struct err *seen);
/* The exit code: 0 all that must hold does, 1 some does not, 2 something could not be run. */
int probe_report_end(struct probe_report *r);

/* --list: id, level, section and requirement of one. */
void probe_report_listed(struct probe_report *r, const struct probe_case *c);
void probe_report_list_end(struct probe_report *r);

#endif
