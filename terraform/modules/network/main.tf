# A VPC whose tasks have no public address, and one way out of it.

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394: The first `zone_count` names are taken, and a zone that AWS adds comes after those that are there.
  state = "available"
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  region = data.aws_region.current.id
  zones  = slice(data.aws_availability_zones.available.names, 0, var.zone_count)
  nat    = var.egress != "endpoints"

  # An eighth of the VPC for each private subnet; the last eighth is cut into public ones.
  derived = {
    private = [for i in range(var.zone_count) : cidrsubnet(var.cidr, 3, i)]
    public  = [for i in range(var.zone_count) : cidrsubnet(cidrsubnet(var.cidr, 3, 7), 2, i)]
  }
  private = zipmap(local.zones, length(var.private_cidrs) > 0 ? var.private_cidrs : local.derived.private)
  public  = local.nat ? zipmap(local.zones, length(var.public_cidrs) > 0 ? var.public_cidrs : local.derived.public) : {}

  gateways = var.egress == "nat-per-zone" ? local.zones : local.nat ? slice(local.zones, 0, 1) : []
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_hostnames = true
  enable_dns_support   = true
  tags                 = merge(var.tags, { Name = var.name })

  lifecycle {
    precondition {
      condition     = length(data.aws_availability_zones.available.names) >= var.zone_count
      error_message = "The region has fewer than `zone_count` availability zones; lower `zone_count` or take another region."
    }
  }
}

# Whoever forgets to name a security group gets this one, which lets nothing in or out.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name}-closed" })
}

resource "aws_subnet" "private" {
  for_each = local.private

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value
  tags              = merge(var.tags, { Name = "${var.name}-private-${each.key}" })
}

resource "aws_subnet" "public" {
  for_each = local.public

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false
  tags                    = merge(var.tags, { Name = "${var.name}-public-${each.key}" })
}

resource "aws_route_table" "private" {
  for_each = local.private

  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name}-private-${each.key}" })
}

resource "aws_route_table_association" "private" {
  for_each = local.private

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}
