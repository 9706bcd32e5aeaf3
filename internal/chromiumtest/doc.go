// Package chromiumtest runs Chromium for tests, and notes what the pages in it complain about.
//
// Tests that need it skip with the reason where it is not installed, and in short runs. If
// GODWIT_REQUIRE_ALL is set, they fail where it is not installed.
package chromiumtest
