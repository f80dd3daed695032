/* For tests: a DNS server on the loopback (UDP and TCP, one port, own thread) that says what it was told to say. */
#ifndef CHANCERY_DNS_STUB_DNS_H
#define CHANCERY_DNS_STUB_DNS_H

#include "base/bytes.h"

struct stub_dns;

enum stub_behaviour {
	STUB_ANSWERS,
	STUB_SERVFAIL,
	STUB_REFUSED,
	STUB_NXDOMAIN,
	STUB_TRUNCATES, /* over UDP; TCP gets the whole answer */
	STUB_SILENT,
};

/* Names that it does not know do not exist; types that a known name does not have are empty. */
struct stub_dns *stub_dns_start(void);
void stub_dns_stop(struct stub_dns *s);
uint16_t stub_dns_port(const struct stub_dns *s);
void stub_dns_add(struct stub_dns *s, const char *name, unsigned type, struct bytes rdata);
void stub_dns_address(struct stub_dns *s, const char *name, const char *address);
void stub_dns_cname(struct stub_dns *s, const char *name, const char *target);
void stub_dns_caa(struct stub_dns *s, const char *name, unsigned flags, const char *tag, const char *value);
void stub_dns_behave(struct stub_dns *s, const char *name, unsigned type, enum stub_behaviour b);
/* How often this was asked; type 0: any. */
unsigned stub_dns_asked(struct stub_dns *s, const char *name, unsigned type);
/* Of all, those over TCP. */
unsigned stub_dns_tcp(const struct stub_dns *s);

#endif
