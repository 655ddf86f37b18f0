"""What nodes that register with the taint come to have."""

TAINT = "node.cloudprovider.kubernetes.io/uninitialized"
PROVIDED = "alpha.kubernetes.io/provided-node-ip"
ADDRESSES = [("Hostname", "node-1"), ("InternalIP", "10.0.0.1"), ("ExternalIP", "132.143.154.163")]
LABELS = {
    "node.kubernetes.io/instance-type": "t1.micro",
    "beta.kubernetes.io/instance-type": "t1.micro",
    "topology.kubernetes.io/zone": "zone-a",
    "failure-domain.beta.kubernetes.io/zone": "zone-a",
    "topology.kubernetes.io/region": "region-1",
    "failure-domain.beta.kubernetes.io/region": "region-1",
}


def taints(node):
    return [taint.key for taint in node.spec.taints or ()]
