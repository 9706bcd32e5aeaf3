// Package seldom lets a log say once what happens with every request.
package seldom
