package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/trawlmark/trawlmark/archive/capture"
)

// Classify is the one table from network errors to outcomes, with a sentence
// for the record: one line, bounded, without credentials. A nil error gives "".
func Classify(err error) (capture.Outcome, string) {
	if err == nil {
		return "", ""
	}
	var (
		refused *Refused
		dns     *net.DNSError
	)
	switch {
	case errors.As(err, &refused):
		return capture.BlockedAddr, sentence(refused.Error())
	case errors.Is(err, ErrCut):
		return capture.TooLarge, ErrCut.Error()
	case errors.Is(err, ErrClosed), errors.Is(err, context.Canceled):
		return capture.Timeout, "the visit ended before the connection did"
	case errors.As(err, &dns):
		return capture.DNSFailed, dnsSentence(dns)
	}
	if text := tlsSentence(err); text != "" {
		return capture.TLSFailed, sentence(text)
	}
	if isTimeout(err) {
		return capture.Timeout, "no answer in time: " + sentence(innermost(err))
	}
	return capture.ConnectFailed, connectSentence(err)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &t) && t.Timeout()
}

func dnsSentence(e *net.DNSError) string {
	name := printable(e.Name)
	switch {
	case e.IsNotFound:
		return "the name " + name + " does not exist or has no address"
	case e.IsTimeout:
		return "the name server did not answer in time for " + name
	}
	return sentence("the name " + name + " could not be resolved: " + e.Err)
}

// tlsSentence explains an error of the TLS layer, "" for another one.
func tlsSentence(err error) string {
	var (
		unknown  x509.UnknownAuthorityError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		record   tls.RecordHeaderError
		echError *tls.ECHRejectionError
		op       *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return "the server's certificate is signed by an authority that is not trusted"
	case errors.As(err, &host):
		return "the server's certificate is for another name: " + host.Error()
	case errors.As(err, &invalid):
		return "the server's certificate is not valid: " + invalid.Error()
	case errors.As(err, &verify):
		return "the server's certificate could not be verified: " + verify.Err.Error()
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS on this port"
	case errors.As(err, &echError):
		return "the server rejected encrypted client hello"
	case errors.As(err, &op) && op.Op == "remote error":
		return "the server ended the secure connection: " + op.Err.Error()
	case errors.As(err, &op) && op.Op == "local error" && strings.Contains(op.Err.Error(), "tls"):
		return "the secure connection could not be set up: " + op.Err.Error()
	}
	if text := innermost(err); strings.HasPrefix(text, "tls: ") {
		return "the secure connection could not be set up: " + text
	}
	return ""
}

func connectSentence(err error) string {
	for _, known := range []struct {
		is   error
		text string
	}{
		{syscall.ECONNREFUSED, "the server refused the connection"},
		{syscall.ECONNRESET, "the server reset the connection"},
		{syscall.EHOSTUNREACH, "there is no way to the server's address"},
		{syscall.ENETUNREACH, "there is no way to the server's network"},
		{syscall.EPIPE, "the server closed the connection while we were sending"},
		{io.ErrUnexpectedEOF, "the server closed the connection in the middle of its answer"},
		{io.EOF, "the server closed the connection without an answer"},
		{net.ErrClosed, "the connection was closed"},
	} {
		if errors.Is(err, known.is) {
			return known.text
		}
	}
	return sentence("the connection failed: " + innermost(err))
}

// innermost is the text of the last error of a chain: the outer ones repeat
// URLs and local addresses that do not belong in a record.
func innermost(err error) string {
	for {
		var next error
		switch e := err.(type) {
		case *url.Error:
			next = e.Err
		default:
			next = errors.Unwrap(err)
		}
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// sentence makes a text fit for a record.
func sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return printable(text)
}
