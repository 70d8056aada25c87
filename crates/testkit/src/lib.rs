//! Test only: contract suites, real servers in temporary folders, fake models.
