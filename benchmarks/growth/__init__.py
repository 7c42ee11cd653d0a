"""Growth: what a request costs against the number of its parents, and the exponent that fits."""
