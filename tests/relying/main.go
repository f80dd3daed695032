// relying verifies certificates as a Go program that relies on them would: crypto/x509 for chains and lists, x/crypto/ocsp for answers. It says
// one line for each: FILE good, FILE revoked, or FILE and what is wrong; exit code 1 when anything is wrong.
//
//	relying -root FILE -issuer FILE -usage server|client [-crl] [-ocsp] FILE...
//
// Lists and answers are fetched from where the certificates say; with -crl or -ocsp a certificate without such a place is wrong.
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/crypto/ocsp"
)

func read(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func fetch(request *http.Request) ([]byte, error) {
	answer, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", request.URL, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

func listed(certificate, issuer *x509.Certificate) (bool, error) {
	if len(certificate.CRLDistributionPoints) != 1 {
		return false, errors.New("names no list")
	}
	request, err := http.NewRequest(http.MethodGet, certificate.CRLDistributionPoints[0], nil)
	if err != nil {
		return false, err
	}
	der, err := fetch(request)
	if err != nil {
		return false, err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return false, err
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return false, err
	}
	if now := time.Now(); now.Before(list.ThisUpdate) || now.After(list.NextUpdate) {
		return false, errors.New("the list is not of now")
	}
	if !bytes.Contains(der, []byte(certificate.CRLDistributionPoints[0])) {
		return false, errors.New("the list does not name its place")
	}
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(certificate.SerialNumber) == 0 {
			return true, nil
		}
	}
	return false, nil
}

func answered(certificate, issuer *x509.Certificate) (bool, error) {
	if len(certificate.OCSPServer) != 1 {
		return false, errors.New("names no responder")
	}
	der, err := ocsp.CreateRequest(certificate, issuer, nil)
	if err != nil {
		return false, err
	}
	request, err := http.NewRequest(http.MethodPost, certificate.OCSPServer[0], bytes.NewReader(der))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	body, err := fetch(request)
	if err != nil {
		return false, err
	}
	answer, err := ocsp.ParseResponseForCert(body, certificate, issuer)
	if err != nil {
		return false, err
	}
	if now := time.Now(); now.Before(answer.ThisUpdate) || now.After(answer.NextUpdate) {
		return false, errors.New("the answer is not of now")
	}
	if answer.Status == ocsp.Unknown {
		return false, errors.New("the responder does not know it")
	}
	return answer.Status == ocsp.Revoked, nil
}

func verify(path string, options x509.VerifyOptions, issuer *x509.Certificate, crl, asks bool) (string, error) {
	certificate, err := read(path)
	if err != nil {
		return "", err
	}
	if _, err := certificate.Verify(options); err != nil {
		return "", err
	}
	revoked := false
	for _, way := range []struct {
		wanted bool
		ask    func(certificate, issuer *x509.Certificate) (bool, error)
	}{{crl, listed}, {asks, answered}} {
		if !way.wanted {
			continue
		}
		is, err := way.ask(certificate, issuer)
		if err != nil {
			return "", err
		}
		revoked = revoked || is
	}
	if revoked {
		return "revoked", nil
	}
	return "good", nil
}

func main() {
	rootFile := flag.String("root", "", "the root's certificate")
	issuerFile := flag.String("issuer", "", "the issuer's certificate")
	usage := flag.String("usage", "server", "server or client")
	crl := flag.Bool("crl", false, "look at the list")
	asks := flag.Bool("ocsp", false, "ask the responder")
	flag.Parse()
	root, err := read(*rootFile)
	if err != nil {
		fmt.Fprintln(os.Stderr, *rootFile, err)
		os.Exit(2)
	}
	issuer, err := read(*issuerFile)
	if err != nil {
		fmt.Fprintln(os.Stderr, *issuerFile, err)
		os.Exit(2)
	}
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if *usage == "client" {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	options.Roots.AddCert(root)
	options.Intermediates.AddCert(issuer)
	code := 0
	for _, path := range flag.Args() {
		said, err := verify(path, options, issuer, *crl, *asks)
		if err != nil {
			said, code = err.Error(), 1
		}
		fmt.Println(path, said)
	}
	os.Exit(code)
}
