// Command brokers compares servers that share a Redis: what a publication over HTTP
// costs the server and Redis, and how deliveries from one node to another fare.
//
//	go run ./brokers -centrifugo PATH
//
// It needs redis-server and taskset on the path, and Linux. Redis and the servers have one
// processor, the generator the other. Each round runs every server in turn on the
// same Redis, which is emptied between them; what is printed are medians and, beside
// them, the least and the greatest.
package main
