module github.com/sluiceapi/sluice

go 1.26
