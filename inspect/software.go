package inspect

import "strings"

// software is a server or proxy known by its answers, and how it lets a
// WebSocket through.
type software struct {
	mark    string // in Server or Via, lower case
	name    string
	example string
}

const nginxLines = `location /PATH {
    proxy_pass http://BACKEND;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header Host $http_host;
    proxy_read_timeout 1h;
}`

var proxies = []software{
	{"nginx", "nginx", nginxLines},
	{"openresty", "OpenResty", nginxLines},
	{"tengine", "Tengine", nginxLines},
	{"apache", "Apache", "# a2enmod proxy proxy_http proxy_wstunnel; Apache 2.4.47 or newer\nProxyPass \"/PATH\" \"http://BACKEND/PATH\" upgrade=websocket"},
	{"microsoft-iis", "IIS", "# the Windows feature, then in web.config:\nInstall-WindowsFeature Web-WebSockets\n<webSocket enabled=\"true\" />"},
	{"cloudflare", "Cloudflare", "# dashboard: Network, WebSockets: on"},
	{"awselb", "Amazon's load balancer", "# an Application Load Balancer passes WebSocket on by itself;\n# a Classic one needs TCP or SSL listeners instead of HTTP"},
	{"envoy", "Envoy", "# in the HTTP connection manager:\nupgrade_configs:\n  - upgrade_type: websocket"},
	{"varnish", "Varnish", "sub vcl_recv {\n    if (req.http.Upgrade ~ \"(?i)websocket\") { return (pipe); }\n}\nsub vcl_pipe {\n    set bereq.http.Upgrade = req.http.Upgrade;\n    set bereq.http.Connection = req.http.Connection;\n}"},
	{"litespeed", "LiteSpeed", "# WebAdmin: Virtual Host, Web Socket Proxy: URI /PATH, address BACKEND"},
	{"squid", "Squid", "# Squid does not proxy WebSocket in front of a server; let it pass as a TCP tunnel"},
	{"google frontend", "Google's front end", "# Cloud Run and App Engine flexible pass WebSocket on; App Engine standard does not"},
}

// fixFor returns the name and the configuration of the proxy that seems to have
// answered; nginx's if none is known, since it is the most common and does not pass Upgrade on by itself.
func fixFor(h *head) (name, example string) {
	marks := strings.ToLower(strings.Join(append(h.values("Server"), h.values("Via")...), " "))
	for _, p := range proxies {
		if strings.Contains(marks, p.mark) {
			return p.name, p.example
		}
	}
	return "", nginxLines
}

// signature is an answer that gives away what answered, and why.
type signature struct {
	text  string // in the body, lower case
	means string
	do    string
	lost  bool // the server says that it did not get the Upgrade that was sent
}

var signatures = []signature{
	{"transport unknown", "The answer is that of Socket.IO (Engine.IO), which wants its parameters in the URL.", "Connect to /socket.io/?EIO=4&transport=websocket, and speak its protocol there: a plain WebSocket client is not enough.", false},
	{"bad handshake method", "The answer is that of Socket.IO (Engine.IO).", "Connect to /socket.io/?EIO=4&transport=websocket with GET.", false},
	{"welcome to sockjs", "The answer is the greeting of a SockJS endpoint.", "Add /websocket to the path, which is where SockJS has a plain WebSocket.", false},
	{"connection id required", "The answer is that of SignalR, which wants a negotiated connection first.", "POST to /negotiate below this URL, then connect with ?id= and the connectionToken; or set skipNegotiation in the client.", false},
	{"no connection with that id", "The answer is that of SignalR: it does not know this connection's id.", "Negotiate again; several servers behind a load balancer need sticky sessions, or skipNegotiation.", false},
	{"missing authentication token", "The answer is that of Amazon's API Gateway: no route, or no stage, has this path.", "Put the stage at the beginning of the path: wss://ID.execute-api.REGION.amazonaws.com/STAGE.", false},
	{"request origin not allowed by upgrader.checkorigin", "The server, a Go program with gorilla/websocket, refuses the Origin.", "Allow the page's origin in the Upgrader's CheckOrigin.", false},
	{"is not authorized for host", "The server, a Go program with coder/websocket, refuses the Origin.", "Add the page's host to AcceptOptions.OriginPatterns.", false},
	{"'upgrade' token not found in 'connection' header", "The server, a Go program with gorilla/websocket, did not get the Connection: Upgrade that was sent.", "Let the proxy in between pass on Upgrade and Connection.", true},
	{"'websocket' token not found in 'upgrade' header", "The server, a Go program with gorilla/websocket, did not get the Upgrade: websocket that was sent.", "Let the proxy in between pass on Upgrade and Connection.", true},
	{`does not contain upgrade`, "The server, a Go program with coder/websocket, did not get the Connection: Upgrade that was sent.", "Let the proxy in between pass on Upgrade and Connection.", true},
	{`can "upgrade" only to "websocket"`, "The server (Spring and Tornado answer like this) did not get the Upgrade: websocket that was sent.", "Let the proxy in between pass on Upgrade and Connection.", true},
	{`"connection" must be "upgrade"`, "The server, a Tornado program, did not get the Connection: Upgrade that was sent.", "Let the proxy in between pass on Upgrade and Connection.", true},
	{"you need a websocket client", "The server, a Python program with websockets, did not get the Upgrade that was sent.", "Let the proxy in between pass on Upgrade and Connection.", true},
	{"failed to open a websocket connection", "The server, a Python program with websockets, says in the body what it misses.", "Read the body below.", false},
	{"the request is http/1.0;", "The server, a Go program with Godwit's library, got the request over HTTP/1.0, which has no Upgrade.", "Let the proxy in between speak HTTP/1.1 to the server, and pass on Upgrade and Connection.", true},
	{"a proxy in between must be told to pass on", "The server, a Go program with Godwit's library, did not get the Upgrade or Connection that was sent.", "Let the proxy in between pass on Upgrade and Connection.", true},
	{"only websocket is spoken here: send upgrade", "The server, a Go program with Godwit's library, did not get the Upgrade that was sent.", "Let the proxy in between pass on Upgrade and Connection.", true},
	{"it is another origin, and the server does not list it", "The server, a Go program with Godwit's library, refuses the Origin.", "Add the page's origin to AcceptOptions.Origins.", false},
	{"this connection cannot be upgraded to websocket", "The server, a Go program with Godwit's library, cannot take over the connection: middleware in front of its handler hides it.", "Give the middleware's ResponseWriter a method Unwrap, or leave the middleware out for this path.", false},
	{"<title>godwit: a channel is a url", "The answer is the welcome page of godwit serve.", "Connect to a channel: /channels/NAME, for example /channels/chat.", false},
	{"<pre>cannot get /", "The answer is that of Express: the request reached the ordinary HTTP application, where no route has this path.", "Attach the WebSocket server to the same HTTP server (its upgrade event), and check the path.", false},
	{"404 page not found", "The answer is that of a Go program: no handler has this path.", "Check the path against the routes of the program.", false},
	{"whitelabel error page", "The answer is the error page of Spring Boot.", "Register the endpoint (WebSocketConfigurer, or a STOMP endpoint, which with SockJS is at /PATH/websocket).", false},
}

// recognise returns the signature of an answer, nil for none.
func recognise(body []byte) *signature {
	text := strings.ToLower(string(body))
	for i := range signatures {
		if strings.Contains(text, signatures[i].text) {
			return &signatures[i]
		}
	}
	return nil
}
