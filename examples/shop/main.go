// Program shop runs the shop as a fleet would.
package main

func main() {}
