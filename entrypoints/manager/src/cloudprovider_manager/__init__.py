"""cloud-controller-manager: runs the control loops with any installed provider."""
