// Package frame reads and writes the messages of PieSocket, JSON such as {"event":"x","data":1}, without encoding anything anew.
package frame
