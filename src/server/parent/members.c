#include "server/parent/members.h"

#include "base/clock.h"
#include "base/event.h"
#include "os/address.h"
#include "os/process.h"
#include "server/folder.h"
#include "server/parent/config_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG          1024
#define RESTART_FIRST_MS 100
#define RESTART_MOST_MS  10000
#define CALM_MS          30000 /* ready for so long counts as recovered */

/* Which two talk to each other. */
static const struct {
	enum process a, b;
} links[] = { { PROCESS_FRONT, PROCESS_VALIDATOR }, { PROCESS_FRONT, PROCESS_SIGNER }, { PROCESS_SIGNER, PROCESS_KEYHOLDER } };

/* --- before the start --- */

static enum err_code prepare_member(struct family *f, enum process who, struct bytes user, struct err *e)
{
	struct member *m = &f->members[who];
	char path[4096];

	m->who = who;
	m->uid = getuid();
	m->gid = getgid();
	if (m->uid == 0)
		TRY(folder_user(user, &m->uid, &m->gid, e));
	TRY(process_find(process_rows[who].executable, CHANCERY_LIBEXEC, &m->executable, e));
	(void)snprintf(path, sizeof path, "%.*s/%s", BYTES_FMT(f->settings->state_folder), process_name(who));
	m->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->folder < 0)
		FAIL(e, CONFIG, "%s: %s; `chancery-ca init` makes it", path, strerror(errno));
	TRY(folder_check_owner(m->folder, path, m->uid, e));
	return folder_lock(m->folder, path, FOLDER_WAIT_MS, e);
}

/* It comes with the setting, long after init. */
static enum err_code make_keyholder_folder(const struct settings *s, struct err *e)
{
	char path[4096];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (uid == 0)
		TRY(folder_user(s->user_keyholder, &uid, &gid, e));
	(void)snprintf(path, sizeof path, "%.*s/%s", BYTES_FMT(s->state_folder), process_name(PROCESS_KEYHOLDER));
	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? ERR_OK : err_set(e, ERR_CONFIG, __FILE__, __LINE__, "%s: %s", path, strerror(errno));
	if (chown(path, uid, gid) != 0)
		FAIL(e, CONFIG, "%s: %s", path, strerror(errno));
	return ERR_OK;
}

static enum err_code listen_on(const char *address, int *ret, struct err *e)
{
	struct address to;
	int one = 1;

	TRY(address_parse(bytes_str(address), 0, &to, e));
	CLEANUP(close_p) int fd = socket(to.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		FAIL(e, IO, "cannot listen on %s: %s", address, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&to.at, to.len) != 0 || listen(fd, BACKLOG) != 0)
		FAIL(e, CONFIG, "cannot listen on %s: %s%s", address, strerror(errno),
		    errno == EADDRINUSE
			? "; another program has this port: stop it, or choose another port (front.listen, publish.listen, admin.listen)"
			: "");
	*ret = fd;
	fd = -1;
	return ERR_OK;
}

static enum err_code listen_on_all(
    const struct settings_list *listen, const char *option, int sockets[LISTENERS_MAX], size_t *n, struct err *e)
{
	char address[80];

	if (listen->n > LISTENERS_MAX)
		FAIL(e, CONFIG, "%s names %zu addresses, at most %d are allowed", option, listen->n, LISTENERS_MAX);
	for (size_t i = 0; i < listen->n; i++) {
		(void)snprintf(address, sizeof address, "%.*s", BYTES_FMT(listen->v[i]));
		TRY(listen_on(address, &sockets[*n], e));
		(*n)++;
	}
	return ERR_OK;
}

static enum err_code prepare_listeners(struct family *f, struct err *e)
{
	if (f->settings->listen.n == 0)
		FAIL(e, CONFIG, "front.listen names no address, 1 to %d are allowed", LISTENERS_MAX);
	TRY(listen_on_all(&f->settings->listen, "front.listen", f->listeners, &f->n_listeners, e));
	TRY(listen_on_all(&f->settings->publish_listen, "publish.listen", f->publish, &f->n_publish, e));
	return listen_on_all(&f->settings->admin_listen, "admin.listen", f->admin, &f->n_admin, e);
}

enum err_code family_prepare(struct family *f, const struct settings *s, struct err *e)
{
	*f = (struct family){ .settings = s, .signer_socket.fd = -1, .front_socket.fd = -1 };
	for (unsigned i = 0; i < PROCESS__MAX; i++)
		f->members[i] = (struct member){ .who = (enum process)i, .executable = -1, .folder = -1 };
	TRY(prepare_member(f, PROCESS_FRONT, s->user_front, e));
	TRY(prepare_member(f, PROCESS_VALIDATOR, s->user_validator, e));
	TRY(prepare_member(f, PROCESS_SIGNER, s->user_signer, e));
	f->members[PROCESS_KEYHOLDER].absent = s->keyholder_module.len == 0;
	if (s->keyholder_module.len > 0) {
		TRY(make_keyholder_folder(s, e));
		TRY(prepare_member(f, PROCESS_KEYHOLDER, s->user_keyholder, e));
	}
	return prepare_listeners(f, e);
}

enum err_code family_operators(struct family *f, struct err *e)
{
	TRY(operators_listen(f->settings, SOCKET_FRONT, &f->front_socket, e));
	return operators_listen(f->settings, SOCKET_SIGNER, &f->signer_socket, e);
}

void family_free(struct family *f)
{
	operators_close(&f->signer_socket);
	operators_close(&f->front_socket);
	for (size_t i = 0; i < f->n_listeners; i++)
		close(f->listeners[i]);
	for (size_t i = 0; i < f->n_publish; i++)
		close(f->publish[i]);
	for (size_t i = 0; i < f->n_admin; i++)
		close(f->admin[i]);
	for (unsigned i = 0; i < PROCESS__MAX; i++) {
		struct member *m = &f->members[i];
		if (m->channel)
			channel_free(m->channel);
		close_p(&m->executable);
		close_p(&m->folder);
	}
	*f = (struct family){ 0 };
}

/* --- one child --- */

/* The files of blocked keys, opened anew for each: the child reads them by its descriptors. */
static enum err_code send_blocklists(struct family *f, enum process who, struct err *e)
{
	const struct settings_list *files = &f->settings->blocked_keys;
	enum message_type type = blocklist_message(who);
	char path[4096];

	for (size_t i = 0; type != MESSAGE__MAX && i < files->n; i++) {
		(void)snprintf(path, sizeof path, "%.*s", BYTES_FMT(files->v[i]));
		CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			FAIL(e, CONFIG, "%s: %s", path, strerror(errno));
		TRY(channel_send_fd(f->members[who].channel, (uint16_t)type, 0, BYTES_NONE, fd, e));
	}
	return ERR_OK;
}

/* The file as configured, or a credential that systemd has laid down for this service (systemd.exec(5)). */
static enum err_code secret_path(const char *option, struct bytes name, char path[4096], struct err *e)
{
	struct bytes prefix = BYTES_LIT("credential:");
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	if (!bytes_starts_with(name, prefix)) {
		(void)snprintf(path, 4096, "%.*s", BYTES_FMT(name));
		return ERR_OK;
	}
	struct bytes credential = bytes_slice(name, prefix.len, name.len);
	if (!folder || credential.len == 0 || memchr(credential.ptr, '/', credential.len))
		FAIL(e, CONFIG, "%s: systemd gives this service no credential \"%.*s\" (LoadCredential=)", option, BYTES_FMT(credential));
	(void)snprintf(path, 4096, "%s/%.*s", folder, BYTES_FMT(credential));
	return ERR_OK;
}

/* Opened anew for each start of who reads it by the descriptor. */
static enum err_code send_secret(
    struct family *f, enum process who, enum message_type type, const char *option, struct bytes file, struct err *e)
{
	char path[4096];
	struct stat s;

	if (file.len == 0)
		return ERR_OK;
	TRY(secret_path(option, file, path, e));
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &s) != 0)
		FAIL(e, CONFIG, "%s: %s: %s", option, path, strerror(errno));
	if (s.st_mode & 077)
		FAIL(e, CONFIG, "%s: %s: others can read it (mode %04o): chmod 600", option, path, (unsigned)(s.st_mode & 07777));
	return channel_send_fd(f->members[who].channel, (uint16_t)type, 0, BYTES_NONE, fd, e);
}

enum err_code member_settings(struct family *f, enum process who, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(CHANNEL_BODY_MAX);
	struct member *m = &f->members[who];

	wire_put_u64(&body, m->uid);
	wire_put_u64(&body, m->gid);
	settings_write(f->settings, process_rows[who].reader, &body);
	if (!buf_ok(&body))
		FAIL(e, CONFIG, "the configuration is larger than %d bytes", CHANNEL_BODY_MAX);
	TRY(send_blocklists(f, who, e));
	return channel_send(m->channel, (uint16_t)process_rows[who].settings, ++m->next_id, buf_bytes(&body), e);
}

static enum err_code send_listeners(struct family *f, struct err *e)
{
	struct channel *front = f->members[PROCESS_FRONT].channel;

	for (size_t i = 0; i < f->n_listeners; i++)
		TRY(channel_send_fd(front, MESSAGE_LISTENER, 0, f->settings->listen.v[i], f->listeners[i], e));
	for (size_t i = 0; i < f->n_publish; i++)
		TRY(channel_send_fd(front, MESSAGE_LISTENER_PUBLISH, 0, f->settings->publish_listen.v[i], f->publish[i], e));
	for (size_t i = 0; i < f->n_admin; i++)
		TRY(channel_send_fd(front, MESSAGE_LISTENER_ADMIN, 0, f->settings->admin_listen.v[i], f->admin[i], e));
	return channel_send_fd(front, MESSAGE_LISTENER_QUESTIONS, 0, BYTES_NONE, f->front_socket.fd, e);
}

/* One that has ended since is no trouble of the other's: its end is told soon, and its next start makes a new pair. */
static enum err_code send_end(struct family *f, enum process to, enum process peer, int fd, struct err *e)
{
	uint8_t of = (uint8_t)peer;
	enum err_code rc = channel_send_fd(f->members[to].channel, (uint16_t)process_rows[to].peer, 0, (struct bytes){ &of, 1 }, fd, e);

	return rc == ERR_CLOSED ? ERR_OK : rc;
}

/* A new pair of sockets between two that both run. The one who was there before drops its old end. */
static enum err_code join(struct family *f, enum process a, enum process b, struct err *e)
{
	int pair[2];

	if (!f->members[a].channel || !f->members[b].channel)
		return ERR_OK;
	TRY(channel_pair(pair, e));
	CLEANUP(close_p) int end_a = pair[0], end_b = pair[1];
	TRY(send_end(f, a, b, end_a, e));
	return send_end(f, b, a, end_b, e);
}

static enum err_code give_everything(struct family *f, enum process who, struct err *e)
{
	struct member *m = &f->members[who];

	TRY(channel_send_fd(m->channel, (uint16_t)process_rows[who].folder, 0, BYTES_NONE, m->folder, e));
	if (who == PROCESS_SIGNER)
		TRY(send_secret(f, who, MESSAGE_PASSPHRASE, "signer.passphrase-file", f->settings->passphrase_file, e));
	if (who == PROCESS_KEYHOLDER)
		TRY(send_secret(f, who, MESSAGE_PIN, "keyholder.pin-file", f->settings->keyholder_pin_file, e));
	TRY(member_settings(f, who, e));
	if (who == PROCESS_FRONT)
		TRY(send_listeners(f, e));
	if (who == PROCESS_SIGNER)
		TRY(channel_send_fd(m->channel, MESSAGE_LISTENER_OPERATORS, 0, BYTES_NONE, f->signer_socket.fd, e));
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (links[i].a == who || links[i].b == who)
			TRY(join(f, links[i].a, links[i].b, e));
	return ERR_OK;
}

enum err_code member_start(struct family *f, enum process who, struct err *e)
{
	struct member *m = &f->members[who];
	int pair[2];

	TRY(channel_pair(pair, e));
	CLEANUP(close_p) int theirs = pair[1];
	TRY(server_channel_new(pair[0], PROCESS_PARENT, who, &m->channel, e));
	m->starts++;
	m->start_at_ms = 0;
	m->failure[0] = 0;
	TRY(process_start(m->executable, process_rows[who].executable, theirs, &m->pid, e));
	m->state = MEMBER_STARTING;
	return give_everything(f, who, e);
}

void member_stop(struct member *m)
{
	if (m->state == MEMBER_DOWN || m->state == MEMBER_STOPPING)
		return;
	m->state = MEMBER_STOPPING;
	MAY_FAIL(
	    channel_send(m->channel, (uint16_t)process_rows[m->who].stop, 0, BYTES_NONE, NULL)); /* dead already: its end is told soon */
}

void member_ended(struct member *m, int64_t now_ms)
{
	if (m->channel)
		channel_free(m->channel);
	m->channel = NULL;
	m->pid = 0;
	if (m->state == MEMBER_READY && now_ms - m->ready_since_ms > CALM_MS)
		m->starts = 0;
	m->state = MEMBER_DOWN;
	int64_t wait_ms = RESTART_FIRST_MS;
	for (unsigned i = 1; i < m->starts && wait_ms < RESTART_MOST_MS; i++)
		wait_ms *= 2;
	m->start_at_ms = now_ms + (wait_ms < RESTART_MOST_MS ? wait_ms : RESTART_MOST_MS);
}
