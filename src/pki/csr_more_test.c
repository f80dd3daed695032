/* A certificate takes the names and the public key from a request, and nothing else: whatever is asked beyond is refused, with a sentence
 * that says what. */
#include "pki/test_support.h"

#include <stdio.h>

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new(65536, 4 << 20);
	return arena ? test_setup(state) : -1;
}

static int teardown(void **state)
{
	arena_free(arena);
	return test_teardown(state);
}

#define P256  "-newkey ec -pkeyopt ec_paramgen_curve:P-256 "
#define SAN_A "-addext subjectAltName=DNS:a.example"

static const struct {
	const char *subject, *options, *why;
} asked_for_more[] = {
	/* in the subject */
	{ "/O=Example/CN=a.example", "",
	    "the CSR's subject has organizationName (2.5.4.10): it may be empty or have one commonName, nothing else is certified here" },
	{ "/CN=a.example/O=Example", "", "the CSR's subject has organizationName (2.5.4.10): it may be empty" },
	{ "/CN=a.example/OU=Unit", "", "the CSR's subject has organizationalUnitName (2.5.4.11): " },
	{ "/C=DE/CN=a.example", "", "the CSR's subject has countryName (2.5.4.6): " },
	{ "/ST=Land", SAN_A, "the CSR's subject has stateOrProvinceName (2.5.4.8): " },
	{ "/L=Ort", SAN_A, "the CSR's subject has localityName (2.5.4.7): " },
	{ "/CN=a.example/emailAddress=a@a.example", "", "the CSR's subject has emailAddress (1.2.840.113549.1.9.1): " },
	{ "/CN=a.example/serialNumber=1", "", "the CSR's subject has serialNumber (2.5.4.5): " },
	{ "/DC=example/CN=a.example", "", "the CSR's subject has domainComponent (0.9.2342.19200300.100.1.25): " },
	{ "/UID=1/CN=a.example", "", "the CSR's subject has userId (0.9.2342.19200300.100.1.1): " },
	{ "/CN=a.example+O=Example", "-multivalue-rdn", "the CSR's subject has organizationName (2.5.4.10): " },
	{ "/CN=a.example/CN=b.example", "", "the CSR's subject has more than one commonName: leave the subject empty" },
	{ "/CN=a.example/CN=a.example", SAN_A, "the CSR's subject has more than one commonName: leave the subject empty" },
	{ "/CN=My Server", SAN_A,
	    "\"my server\" in the CSR's commonName (leave the subject empty if it is no name to certify) is no DNS name" },
	{ "/CN=http:\\/\\/a.example", SAN_A,
	    "in the CSR's commonName (leave the subject empty if it is no name to certify) is no DNS name" },
	{ "/CN=a.example.", SAN_A, "the name \"a.example.\" in the CSR's commonName" },
	{ "/CN=192.0.2.1", SAN_A,
	    "the CSR's commonName is the IP address 192.0.2.1, which its subjectAltName has not: put it there as iPAddress, and leave the "
	    "subject empty" },
	{ "/CN=2001:db8::1", "", "the CSR's commonName is the IP address 2001:db8::1, which its subjectAltName has not" },
	{ "/CN=192.0.2.1", "-addext subjectAltName=IP:192.0.2.2", "the CSR's commonName is the IP address 192.0.2.1, which" },
	{ "/CN=192.0.2.256", SAN_A, "\"192.0.2.256\" in the CSR's commonName" },
	{ "/", "", "the CSR names nothing: put the DNS names and IP addresses into the subjectAltName" },
	/* other kinds of names */
	{ "/", SAN_A ",email:a@a.example", "the CSR's subjectAltName has an rfc822Name: only dNSName and iPAddress are certified here" },
	{ "/", SAN_A ",URI:http://a.example/", "the CSR's subjectAltName has a uniformResourceIdentifier: only dNSName" },
	{ "/", SAN_A ",otherName:1.2.3\\;UTF8:a", "the CSR's subjectAltName has an otherName: only dNSName" },
	{ "/", SAN_A ",RID:1.2.3", "the CSR's subjectAltName has a registeredID: only dNSName" },
	{ "/", "-config dir.cnf", "the CSR's subjectAltName has a directoryName: only dNSName" },
	{ "/", SAN_A ",DNS:192.0.2.1", "\"192.0.2.1\" in the CSR's subjectAltName is no DNS name: its last label is a number" },
	/* extensions */
	{ "/", SAN_A " -addext basicConstraints=CA:TRUE",
	    "the CSR asks for the extension basicConstraints (2.5.29.19) with CA true: a certificate here takes only the names and the public "
	    "key" },
	{ "/", SAN_A " -addext basicConstraints=critical,CA:FALSE,pathlen:0", "basicConstraints (2.5.29.19) with a path length" },
	{ "/", SAN_A " -addext keyUsage=keyCertSign",
	    "the CSR asks for the key usage keyCertSign: a certificate here carries digitalSignature, and with an RSA key keyEncipherment, and "
	    "nothing else" },
	{ "/", SAN_A " -addext keyUsage=cRLSign", "the CSR asks for the key usage cRLSign: " },
	{ "/", SAN_A " -addext keyUsage=digitalSignature,nonRepudiation", "the CSR asks for the key usage nonRepudiation: " },
	{ "/", SAN_A " -addext keyUsage=dataEncipherment", "the CSR asks for the key usage dataEncipherment: " },
	{ "/", SAN_A " -addext keyUsage=keyAgreement,encipherOnly", "the CSR asks for the key usage keyAgreement: " },
	{ "/", SAN_A " -addext keyUsage=digitalSignature,decipherOnly", "the CSR asks for the key usage decipherOnly: " },
	{ "/", SAN_A " -addext extendedKeyUsage=serverAuth,codeSigning",
	    "the CSR asks for the extended key usage codeSigning (1.3.6.1.5.5.7.3.3): a certificate here is for serverAuth" },
	{ "/", SAN_A " -addext extendedKeyUsage=emailProtection", "the extended key usage emailProtection (1.3.6.1.5.5.7.3.4): " },
	{ "/", SAN_A " -addext extendedKeyUsage=timeStamping", "the extended key usage timeStamping (1.3.6.1.5.5.7.3.8): " },
	{ "/", SAN_A " -addext extendedKeyUsage=OCSPSigning", "the extended key usage OCSPSigning (1.3.6.1.5.5.7.3.9): " },
	{ "/", SAN_A " -addext extendedKeyUsage=anyExtendedKeyUsage", "the extended key usage anyExtendedKeyUsage (2.5.29.37.0): " },
	{ "/", SAN_A " -addext extendedKeyUsage=1.2.3.4", "the extended key usage 1.2.3.4: " },
	{ "/", SAN_A " -addext certificatePolicies=1.2.3.4",
	    "the CSR asks for the extension certificatePolicies (2.5.29.32): a certificate here takes only the names (subjectAltName) and the "
	    "public key" },
	{ "/", SAN_A " -addext nameConstraints=permitted\\;DNS:a.example", "the extension nameConstraints (2.5.29.30): " },
	{ "/", SAN_A " -addext crlDistributionPoints=URI:http://a.example/", "the extension cRLDistributionPoints (2.5.29.31): " },
	{ "/", SAN_A " -addext authorityInfoAccess=OCSP\\;URI:http://a.example/",
	    "the extension authorityInfoAccess (1.3.6.1.5.5.7.1.1): " },
	{ "/", SAN_A " -addext policyConstraints=requireExplicitPolicy:0", "the extension policyConstraints (2.5.29.36): " },
	{ "/", SAN_A " -addext inhibitAnyPolicy=0", "the extension inhibitAnyPolicy (2.5.29.54): " },
	{ "/", SAN_A " -addext issuerAltName=DNS:b.example", "the extension issuerAltName (2.5.29.18): " },
	{ "/", SAN_A " -addext noCheck=ignored", "the extension ocsp-nocheck (1.3.6.1.5.5.7.48.1.5): " },
	{ "/", SAN_A " -addext nsCertType=server", "the extension netscape-cert-type (2.16.840.1.113730.1.1): " },
	{ "/", SAN_A " -addext nsComment=hello", "the extension netscape-comment (2.16.840.1.113730.1.13): " },
	{ "/", SAN_A " -addext 1.3.6.1.5.5.7.1.31=critical,DER:0400", "the extension acmeIdentifier (1.3.6.1.5.5.7.1.31): " },
	{ "/", SAN_A " -addext 1.3.6.1.4.1.11129.2.4.3=critical,DER:0500", "the extension ctPoison (1.3.6.1.4.1.11129.2.4.3): " },
	{ "/", SAN_A " -addext 1.2.3.4=DER:0500", "the CSR asks for the extension 1.2.3.4: " },
	{ "/", SAN_A " -addext 1.2.3.4=critical,DER:0500", "the CSR asks for the extension 1.2.3.4: " },
	{ "/", SAN_A " -addext tlsfeature=17", "the CSR's tlsfeature asks for something else than status_request (5)" },
	{ "/", SAN_A " -addext tlsfeature=5,17", "the CSR's tlsfeature asks for something else than status_request (5)" },
};

static void what_is_asked_beyond_is_named(void **state)
{
	(void)state;
	test_write("dir.cnf", bytes_str("[req]\ndistinguished_name=d\nreq_extensions=x\n[d]\n[x]\nsubjectAltName=dirName:n\n[n]\nCN=a\n"));
	for (size_t i = 0; i < sizeof asked_for_more / sizeof *asked_for_more; i++) {
		char options[512];
		struct err e = { 0 };
		struct csr c;
		snprintf(options, sizeof options, P256 "-subj '%s' %s", asked_for_more[i].subject, asked_for_more[i].options);
		enum err_code rc = csr_parse(arena, test_openssl_csr(options), &c, &e);
		if (rc != ERR_BAD_CSR || !strstr(e.detail, asked_for_more[i].why))
			fail_msg("%s: %s: %s", options, err_name(rc), e.detail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_beyond_is_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
