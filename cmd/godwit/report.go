package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// reportTimeout bounds a question, from the connection to the end of the answer.
	reportTimeout = 30 * time.Second

	// reportBytesMax is more than any answer has.
	reportBytesMax = 16 << 20
)

// fetchReport gets a report for operators from a server.
func fetchReport(ctx context.Context, u *url.URL, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return nil, unreachable(u, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, reportBytesMax))
	if err != nil {
		return nil, unreachable(u, err)
	}
	return body, nil
}
