#include "dns/stub_dns.h"

#include "base/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENTRIES_MAX 512
#define NAME_MAX_   256
#define RDATA_MAX_  512
#define TTL         300
#define CNAME       5

struct entry {
	char name[NAME_MAX_];
	unsigned type;
	bool has_rdata;
	enum stub_behaviour behaviour;
	uint8_t rdata[RDATA_MAX_];
	size_t rdata_len;
	unsigned asked;
};

struct stub_dns {
	int udp, tcp, stop;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock;
	atomic_uint tcp_count;
	size_t n;
	struct entry v[ENTRIES_MAX];
};

static size_t put_name(const char *name, uint8_t *out)
{
	size_t n = 0;

	while (*name) {
		const char *dot = strchr(name, '.');
		size_t len = dot ? (size_t)(dot - name) : strlen(name);
		out[n++] = (uint8_t)len;
		memcpy(out + n, name, len);
		n += len;
		name += len + (dot ? 1 : 0);
	}
	out[n++] = 0;
	return n;
}

/* The question's name as text; returns the bytes it took. */
static size_t get_name(const uint8_t *p, size_t len, char out[NAME_MAX_])
{
	size_t at = 0, n = 0;

	while (at < len && p[at] && p[at] < 64 && at + p[at] < len) {
		if (n)
			out[n++] = '.';
		memcpy(out + n, p + at + 1, p[at]);
		n += p[at];
		at += 1 + (size_t)p[at];
	}
	out[n] = 0;
	return at + 1;
}

static struct entry *new_entry(struct stub_dns *s, const char *name, unsigned type)
{
	struct entry *one = &s->v[s->n];

	if (s->n == ENTRIES_MAX || strlen(name) >= sizeof one->name)
		abort();
	*one = (struct entry){ .type = type };
	memcpy(one->name, name, strlen(name));
	s->n++;
	return one;
}

static void put_record(struct buf *out, const struct entry *one)
{
	uint8_t name[NAME_MAX_ + 2];
	size_t n = put_name(one->name, name);

	buf_add(out, (struct bytes){ name, n });
	wire_put_u16(out, (uint16_t)one->type);
	wire_put_u16(out, 1);
	wire_put_u32(out, TTL);
	wire_put_u16(out, (uint16_t)one->rdata_len);
	buf_add(out, (struct bytes){ one->rdata, one->rdata_len });
}

struct found {
	enum stub_behaviour behaviour;
	bool exists;
	unsigned n;
	char cname[NAME_MAX_];
};

static struct found find(struct stub_dns *s, const char *name, unsigned type, struct buf *answers)
{
	struct found f = { .behaviour = STUB_ANSWERS };

	for (size_t i = 0; i < s->n; i++) {
		struct entry *one = &s->v[i];
		if (strcasecmp(one->name, name) != 0)
			continue;
		f.exists = f.exists || one->has_rdata;
		if (one->type != type && !(one->type == CNAME && one->has_rdata))
			continue;
		one->asked++;
		if (!one->has_rdata) {
			f.behaviour = one->behaviour;
			continue;
		}
		put_record(answers, one);
		f.n++;
		if (one->type == CNAME && type != CNAME)
			(void)get_name(one->rdata, one->rdata_len, f.cname);
	}
	return f;
}

static void put_reply(const uint8_t *query, size_t question_len, unsigned flags, unsigned n, const struct buf *answers, struct buf *out)
{
	buf_add(out, (struct bytes){ query, 2 });
	wire_put_u16(out, (uint16_t)flags);
	wire_put_u16(out, 1);
	wire_put_u16(out, (uint16_t)n);
	wire_put_u16(out, 0);
	wire_put_u16(out, 0);
	buf_add(out, (struct bytes){ query + 12, question_len });
	if (answers)
		buf_add(out, buf_bytes(answers));
}

/* False: say nothing. */
static bool reply_to(struct stub_dns *s, const uint8_t *query, size_t len, bool tcp, struct buf *out)
{
	CLEANUP(buf_free_p) struct buf answers = buf_new(60000);
	char name[NAME_MAX_];

	if (len < 17)
		return false;
	size_t n = get_name(query + 12, len - 16, name);
	unsigned type = (unsigned)query[12 + n] << 8 | query[13 + n], count = 0;
	const unsigned flags = 0x8580; /* QR AA RD RA */
	pthread_mutex_lock(&s->lock);
	struct found f = find(s, name, type, &answers);
	count = f.n;
	for (int hops = 0; hops < 8 && f.cname[0]; hops++) {
		f = find(s, f.cname, type, &answers);
		count += f.n;
	}
	pthread_mutex_unlock(&s->lock);
	n += 4;
	if (f.behaviour == STUB_SILENT)
		return false;
	if (f.behaviour == STUB_SERVFAIL || f.behaviour == STUB_REFUSED)
		put_reply(query, n, flags | (f.behaviour == STUB_SERVFAIL ? 2 : 5), 0, NULL, out);
	else if (f.behaviour == STUB_TRUNCATES && !tcp)
		put_reply(query, n, flags | 0x0200, 0, NULL, out);
	else
		put_reply(query, n, flags | (f.exists && f.behaviour != STUB_NXDOMAIN ? 0 : 3), count, &answers, out);
	return true;
}

static void serve_udp(struct stub_dns *s)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65535);
	struct sockaddr_in from;
	socklen_t from_len = sizeof from;
	uint8_t query[1500];
	ssize_t n = recvfrom(s->udp, query, sizeof query, 0, (struct sockaddr *)&from, &from_len);

	if (n > 0 && reply_to(s, query, (size_t)n, false, &out))
		(void)!sendto(s->udp, out.ptr, out.len, 0, (struct sockaddr *)&from, from_len);
}

static bool receive_all(int fd, uint8_t *p, size_t n)
{
	return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

static void serve_tcp(struct stub_dns *s)
{
	CLEANUP(close_p) int fd = accept4(s->tcp, NULL, NULL, SOCK_CLOEXEC);
	uint8_t len[2], query[1500];
	struct timeval limit = { .tv_sec = 2 };

	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	while (receive_all(fd, len, 2)) {
		CLEANUP(buf_free_p) struct buf out = buf_new(65535);
		size_t n = (size_t)len[0] << 8 | len[1];
		if (n > sizeof query || !receive_all(fd, query, n))
			return;
		s->tcp_count++;
		if (!reply_to(s, query, n, true, &out))
			return;
		uint8_t head[2] = { (uint8_t)(out.len >> 8), (uint8_t)out.len };
		(void)!send(fd, head, 2, MSG_NOSIGNAL | MSG_MORE);
		(void)!send(fd, out.ptr, out.len, MSG_NOSIGNAL);
	}
}

static void *run(void *ctx)
{
	struct stub_dns *s = ctx;

	for (;;) {
		struct pollfd p[3] = { { .fd = s->stop, .events = POLLIN }, { .fd = s->udp, .events = POLLIN },
			{ .fd = s->tcp, .events = POLLIN } };
		if (poll(p, 3, -1) < 0)
			continue;
		if (p[0].revents)
			return NULL;
		if (p[1].revents)
			serve_udp(s);
		if (p[2].revents)
			serve_tcp(s);
	}
}

/* One number for both; that it is free for TCP does not say that it is for UDP. */
static bool bind_both(struct stub_dns *s)
{
	for (int i = 0; i < 50; i++) {
		struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t len = sizeof at;
		s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (bind(s->tcp, (struct sockaddr *)&at, len) == 0 && listen(s->tcp, 16) == 0 &&
		    getsockname(s->tcp, (struct sockaddr *)&at, &len) == 0 && bind(s->udp, (struct sockaddr *)&at, len) == 0) {
			s->port = ntohs(at.sin_port);
			return true;
		}
		close(s->tcp);
		close(s->udp);
	}
	return false;
}

struct stub_dns *stub_dns_start(void)
{
	struct stub_dns *s = calloc(1, sizeof *s);

	if (!s || !bind_both(s))
		abort();
	s->stop = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&s->lock, NULL);
	if (pthread_create(&s->thread, NULL, run, s) != 0)
		abort();
	return s;
}

void stub_dns_stop(struct stub_dns *s)
{
	if (!s)
		return;
	if (write(s->stop, &(uint64_t){ 1 }, 8) != 8)
		abort();
	pthread_join(s->thread, NULL);
	pthread_mutex_destroy(&s->lock);
	close(s->udp);
	close(s->tcp);
	close(s->stop);
	free(s);
}

uint16_t stub_dns_port(const struct stub_dns *s)
{
	return s->port;
}

void stub_dns_add(struct stub_dns *s, const char *name, unsigned type, struct bytes rdata)
{
	if (rdata.len > RDATA_MAX_)
		abort();
	pthread_mutex_lock(&s->lock);
	struct entry *one = new_entry(s, name, type);
	one->has_rdata = true;
	one->rdata_len = rdata.len;
	memcpy(one->rdata, rdata.ptr, rdata.len);
	pthread_mutex_unlock(&s->lock);
}

void stub_dns_address(struct stub_dns *s, const char *name, const char *address)
{
	uint8_t raw[16];

	if (inet_pton(AF_INET, address, raw) == 1)
		stub_dns_add(s, name, 1, (struct bytes){ raw, 4 });
	else if (inet_pton(AF_INET6, address, raw) == 1)
		stub_dns_add(s, name, 28, (struct bytes){ raw, 16 });
	else
		abort();
}

void stub_dns_cname(struct stub_dns *s, const char *name, const char *target)
{
	uint8_t raw[NAME_MAX_ + 2];
	size_t n = put_name(target, raw);

	stub_dns_add(s, name, CNAME, (struct bytes){ raw, n });
}

void stub_dns_caa(struct stub_dns *s, const char *name, unsigned flags, const char *tag, const char *value)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(RDATA_MAX_);

	buf_add_u8(&b, (uint8_t)flags);
	buf_add_u8(&b, (uint8_t)strlen(tag));
	buf_add_str(&b, tag);
	buf_add_str(&b, value);
	stub_dns_add(s, name, 257, buf_bytes(&b));
}

void stub_dns_behave(struct stub_dns *s, const char *name, unsigned type, enum stub_behaviour behaviour)
{
	pthread_mutex_lock(&s->lock);
	new_entry(s, name, type)->behaviour = behaviour;
	pthread_mutex_unlock(&s->lock);
}

unsigned stub_dns_asked(struct stub_dns *s, const char *name, unsigned type)
{
	unsigned n = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n; i++)
		if (strcasecmp(s->v[i].name, name) == 0 && (type == 0 || s->v[i].type == type))
			n += s->v[i].asked;
	pthread_mutex_unlock(&s->lock);
	return n;
}

unsigned stub_dns_tcp(const struct stub_dns *s)
{
	return s->tcp_count;
}
