package function

// Use answers with a Go function, or with a Go http.Handler, that the program was built with.
//
//	endpoints:
//	  quote:
//	    route: GET /products/{id}/quote
//	    function: quote
type Use struct {
	// The name that the program gave to the function.
	Name string `yaml:"name,short" required:"true"`
}
