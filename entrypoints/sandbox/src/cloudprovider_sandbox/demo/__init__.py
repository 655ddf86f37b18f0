"""``cloud-sandbox demo``: the life of one Service, step by step, each step checked."""
