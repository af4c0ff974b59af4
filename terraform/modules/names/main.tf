# Names of load balancers, in a domain that only the VPC knows.

resource "aws_route53_zone" "this" {
  #checkov:skip=CKV2_AWS_38: DNSSEC is for public zones; this one is private.
  #checkov:skip=CKV2_AWS_39: Queries of a private zone cannot be logged here; the VPC's flow logs say who talked to whom.
  name    = var.domain
  comment = "Load balancers of ${var.name}."
  tags    = var.tags

  vpc {
    vpc_id = var.vpc_id
  }
}

resource "aws_route53_record" "this" {
  #checkov:skip=CKV2_AWS_23: The load balancer is a variable, which checkov does not follow.
  for_each = var.records

  zone_id = aws_route53_zone.this.zone_id
  name    = "${each.key}.${var.domain}"
  type    = "A"

  alias {
    name                   = each.value.dns_name
    zone_id                = each.value.zone_id
    evaluate_target_health = true
  }
}
