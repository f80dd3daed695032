/* How the reading of a certification request is divided. Private to the room. */
#ifndef CHANCERY_PKI_CSR_IMPL_H
#define CHANCERY_PKI_CSR_IMPL_H

#include "pki/csr.h"

#define CSR_NAMES_MAX 100

/* What the requested extensions ask for. */
struct csr_wish {
	struct bytes names; /* content of the GeneralNames; ptr NULL when there is no subjectAltName */
	bool must_staple;
};

/* The content of an Extensions SEQUENCE (RFC 5280 §4.1). BAD_CSR for whatever is not allowed. */
enum err_code csr_read_extensions(struct bytes list, struct csr_wish *w, struct err *e) MUST_USE;

/* Joins the names of the subjectAltName and the common name (ptr NULL when there is none): folded, checked, sorted, unique. */
enum err_code csr_read_names(struct arena *a, struct bytes general_names, struct bytes common_name, struct csr *c, struct err *e) MUST_USE;

#endif
