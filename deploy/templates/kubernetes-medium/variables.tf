variable "namespace" {
  description = "The namespace that the pods are created in. It must exist."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "The namespace is not the name of one: want lower-case letters, digits and hyphens, at most 63."
  }
}

variable "use_kubeconfig" {
  description = "Whether the provisioner takes the cluster and its credentials from ~/.kube/config. Else it takes its own pod's service account."
  type        = bool
  default     = false
}

variable "workspace_image" {
  description = "The image of the workspace. It needs sh, and curl, wget or busybox to fetch the agent."
  type        = string
  default     = "codercom/enterprise-minimal:ubuntu"

  validation {
    condition     = can(regex("^[^[:space:]]+$", var.workspace_image))
    error_message = "The workspace image is empty or has spaces: want the name of an image."
  }
}

variable "scaletest_image" {
  description = "The image that has /scaletest-apps, which serves the apps."
  type        = string
  default     = "ghcr.io/coderscale/scaletest:latest"

  validation {
    condition     = can(regex("^[^[:space:]]+$", var.scaletest_image))
    error_message = "The scaletest image is empty or has spaces: want the name of an image that has /scaletest-apps."
  }
}

variable "image_pull_policy" {
  description = "When images are pulled: IfNotPresent, Always or Never. Always makes each start load the registry."
  type        = string
  default     = "IfNotPresent"

  validation {
    condition     = contains(["IfNotPresent", "Always", "Never"], var.image_pull_policy)
    error_message = "The image pull policy is unknown: want IfNotPresent, Always or Never."
  }
}

variable "user_id" {
  description = "The user and group that everything runs as. It must be one that the workspace image is made for."
  type        = number
  default     = 1000

  validation {
    condition     = var.user_id > 0 && floor(var.user_id) == var.user_id
    error_message = "The user is no user or root: want a whole number from 1 up."
  }
}

variable "arch" {
  description = "The architecture of the nodes: amd64 or arm64. Both images must have it."
  type        = string
  default     = "amd64"

  validation {
    condition     = contains(["amd64", "arm64"], var.arch)
    error_message = "The architecture is unknown: want amd64 or arm64."
  }
}

# Variables of Coder's templates are text, numbers or booleans. So these two are text.

variable "node_affinity" {
  description = "Labels and the values of which a node must have one, as YAML or JSON: {cloud.google.com/gke-nodepool: [workspaces]}. Every label counts. None takes any node."
  type        = string
  default     = "{}"

  validation {
    condition = try(alltrue([for label, values in yamldecode(var.node_affinity) :
      can(regex("^[^[:space:]]+$", label)) && length([for v in values : tostring(v)]) > 0
    ]), false)
    error_message = "The node affinity is not labels with a list of values each: want such as {cloud.google.com/gke-nodepool: [workspaces]}, or {} for any node."
  }
}

variable "tolerations" {
  description = "Taints of nodes that pods are scheduled to all the same, as YAML or JSON: [{key: dedicated, value: scaletest, effect: NoSchedule}]. A toleration without a value takes any; without an effect it is for all of them."
  type        = string
  default     = "[]"

  validation {
    condition = try(alltrue([for t in yamldecode(var.tolerations) :
      can(regex("^[^[:space:]]+$", t.key)) &&
      contains(["", "NoSchedule", "PreferNoSchedule", "NoExecute"], try(t.effect, "")) &&
      length(setsubtract(keys(t), ["key", "value", "effect"])) == 0
    ]), false)
    error_message = "The tolerations are not a list of key, value and effect: want such as [{key: dedicated, value: scaletest, effect: NoSchedule}], where the effect is NoSchedule, PreferNoSchedule or NoExecute, or [] for none."
  }
}

variable "random_rate" {
  description = "How many bytes a second the app wsra sends to each connection. 0 is as fast as they are taken."
  type        = number
  default     = 1048576

  validation {
    condition     = var.random_rate >= 0 && floor(var.random_rate) == var.random_rate
    error_message = "The random rate is negative or broken: want a whole number of bytes a second, or 0 for as fast as they are taken."
  }
}

variable "subdomain" {
  description = "Whether apps have subdomains of their own. The deployment needs a wildcard address for that."
  type        = bool
  default     = false
}
