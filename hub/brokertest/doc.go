// Package brokertest is the contract of hub.Broker as a test suite, which every Broker must pass.
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, func(t *testing.T) hub.Broker { return mybroker.New(…) })
//	}
package brokertest
