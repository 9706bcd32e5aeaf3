package conformance

// RunServerOver is RunServer over connections that a test makes.
var RunServerOver = runServer
