"""Whether a new patient is like the development patients, and how a site's scanner is brought nearer to theirs."""
